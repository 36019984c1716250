"""Machines, their plans and pages as clients see them."""

from __future__ import annotations

from collections.abc import Iterable

import strawberry

from infinibay.core.machine_status import MachineStatus
from infinibay.db import rows
from infinibay.graphql.auth_users.types import UserType
from infinibay.graphql.context import Info
from infinibay.graphql.departments.types import DepartmentType
from infinibay.graphql.installations.types import Installation
from infinibay.graphql.operations.types import Failure, Operation
from infinibay.graphql.scalars import BigInt, DateTimeISO, JSONObject
from infinibay.graphql.templates.types import MachineTemplateType
from infinibay.services.machines import requests
from infinibay.services.machines.create import Begun
from infinibay.services.machines.service import MachinePage as MachinePageResult
from infinibay.services.machines.states import MachineState

# Fields of Machine that come from another row.
_RELATIONS: dict[str, requests.Relation] = {
    "user": "user",
    "department": "department",
    "template": "template",
    "configuration": "configuration",
    "hypervisorConnected": "host",
}


def relations_of(fields: Iterable[str]) -> frozenset[requests.Relation]:
    """What has to be read beside a machine's own row to show these of its fields."""
    return frozenset(_RELATIONS[name] for name in fields if name in _RELATIONS)


@strawberry.type
class DiskImage:
    """The image that a disk stands on."""

    id: strawberry.ID
    name: str


@strawberry.type
class MachineDisk:
    """A disk; position 0 is the main one. With an `image` it holds only what differs from that."""

    position: int
    size_gb: int = strawberry.field(name="sizeGB")
    image: DiskImage | None

    @classmethod
    def from_row(cls, row: rows.MachineDisk) -> MachineDisk:
        base = row.baseImage
        image = DiskImage(id=strawberry.ID(base.id), name=base.name) if base else None
        return cls(position=row.position, size_gb=row.sizeGB, image=image)


@strawberry.type
class Machine:
    """A virtual machine; sizes in GB. `status` is building, running, paused, stopped, crashed or failed."""

    row: strawberry.Private[rows.Machine]
    id: strawberry.ID
    name: str
    internal_name: str
    os: str
    status: str
    cpu_cores: int | None
    ram_gb: int | None = strawberry.field(name="ramGB")
    disk_size_gb: int | None = strawberry.field(name="diskSizeGB")
    gpu_pci_address: str | None
    local_ip: str | None = strawberry.field(name="localIP")
    public_ip: str | None = strawberry.field(name="publicIP")
    configuration: JSONObject | None
    user_id: str | None
    template_id: str | None
    department_id: str | None
    created_at: DateTimeISO | None
    autostart: bool
    hypervisor_connected: bool
    user: UserType | None
    template: MachineTemplateType | None
    department: DepartmentType | None

    @strawberry.field
    async def operation(self, info: Info) -> Operation | None:
        """The latest operation."""
        row = await info.context.loaders.latest_operation.load(self.row.id)
        return Operation.from_row(row) if row else None

    @strawberry.field
    async def installation(self, info: Info) -> Installation | None:
        """How its system is installed; null for one that is not installed here."""
        row = await info.context.loaders.installation.load(self.row.id)
        return Installation.from_row(row) if row else None

    @strawberry.field
    async def disks(self, info: Info) -> list[MachineDisk]:
        """The main disk first."""
        return [MachineDisk.from_row(disk) for disk in await info.context.loaders.disks.load(self.row.id)]

    @strawberry.field
    async def failure(self, info: Info) -> Failure | None:
        """Why the machine is failed; null while it is not."""
        if self.status != MachineStatus.FAILED:
            return None
        failure = await info.context.loaders.failure.load(self.row)
        return Failure.from_result(failure) if failure else None

    @classmethod
    def shown(cls, info: Info, row: rows.Machine) -> Machine:
        """The machine as the answer to this request."""
        return cls.from_row(row, info.context.graphic_host)

    @classmethod
    def begun(cls, info: Info, begun: Begun) -> Machine:
        """A machine that is made, with the operation that makes it: its latest one, which need not be read again."""
        info.context.loaders.latest_operation.prime(begun.machine.id, begun.operation)
        return cls.shown(info, begun.machine)

    @classmethod
    def from_row(cls, row: rows.Machine, graphic_host: str) -> Machine:
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            name=row.name,
            internal_name=row.internalName,
            os=row.os,
            status=row.status,
            cpu_cores=row.cpuCores,
            ram_gb=row.ramGB,
            disk_size_gb=row.diskSizeGB,
            gpu_pci_address=row.gpuPciAddress,
            local_ip=row.localIP,
            public_ip=row.publicIP,
            configuration=_graphics(row, graphic_host),
            user_id=row.userId,
            template_id=row.templateId,
            department_id=row.departmentId,
            created_at=DateTimeISO(row.createdAt),
            autostart=row.autostart,
            hypervisor_connected=row.host is not None and row.host.hypervisorConnected,
            user=UserType.from_row(row.user) if row.user else None,
            template=MachineTemplateType.from_row(row.template) if row.template else None,
            department=DepartmentType.from_row(row.department) if row.department else None,
        )


def _graphics(row: rows.Machine, host: str) -> JSONObject | None:
    """Where the graphics listen, without their password; None while they do not."""
    configuration = row.configuration
    if configuration is None or configuration.graphicPort is None:
        return None
    return JSONObject({"graphic": f"{configuration.graphicProtocol}://{host}:{configuration.graphicPort}"})


@strawberry.type
class MachinePage:
    """`next` goes into `after`; null at the end. `total` counts all that the filter lets through."""

    items: list[Machine]
    next: str | None
    total: int

    @classmethod
    def from_result(cls, page: MachinePageResult, graphic_host: str) -> MachinePage:
        return cls(items=[Machine.from_row(row, graphic_host) for row in page.items], next=page.next, total=page.total)


@strawberry.type
class GraphicConfigurationType:
    link: str
    password: str
    protocol: str

    @classmethod
    def from_result(cls, link: requests.GraphicsLink) -> GraphicConfigurationType:
        return cls(link=link.link, password=link.password, protocol=link.protocol)


@strawberry.type
class CommandExecutionResponseType:
    success: bool
    message: str
    response: str | None

    @classmethod
    def from_result(cls, outcome: requests.Outcome) -> CommandExecutionResponseType:
        return cls(success=outcome.success, message=outcome.message, response=None)


@strawberry.type
class Problem:
    """What keeps a plan from being carried out."""

    field: str | None
    code: str
    message: str
    remedy: str | None

    @classmethod
    def from_result(cls, problem: requests.Problem) -> Problem:
        return cls(field=problem.field, code=problem.code, message=problem.message, remedy=problem.remedy)


@strawberry.type
class MachinePlan:
    """What createMachine would do; sizes in GB, secrets in `xml` replaced."""

    valid: bool
    problems: list[Problem]
    warnings: list[str]
    cpu_cores: int
    ram_gb: int = strawberry.field(name="ramGB")
    disk_size_gb: int = strawberry.field(name="diskSizeGB")
    disk_path: str
    network: str
    filters: list[str]
    firmware: str
    domain_type: str
    medium: str
    media_mode: str
    steps: list[str]
    xml: str

    @classmethod
    def from_result(cls, plan: requests.MachinePlan) -> MachinePlan:
        return cls(
            valid=plan.valid,
            problems=[Problem.from_result(problem) for problem in plan.problems],
            warnings=list(plan.warnings),
            cpu_cores=plan.cpu_cores,
            ram_gb=plan.ram_gb,
            disk_size_gb=plan.disk_size_gb,
            disk_path=plan.disk_path,
            network=plan.network,
            filters=list(plan.filters),
            firmware=plan.firmware,
            domain_type=plan.domain_type,
            medium=plan.medium,
            media_mode=plan.media_mode,
            steps=list(plan.steps),
            xml=plan.xml,
        )


@strawberry.type
class MachineStatusEvent:
    """A machine's status since `at`; machineEvents goes on from `seq`."""

    seq: BigInt
    machine_id: strawberry.ID
    status: str
    previous: str | None
    reason: str | None
    at: DateTimeISO

    @classmethod
    def from_result(cls, state: MachineState) -> MachineStatusEvent:
        return cls(
            seq=BigInt(state.seq),
            machine_id=strawberry.ID(state.machine_id),
            status=state.status,
            previous=state.previous,
            reason=state.reason,
            at=DateTimeISO(state.at),
        )

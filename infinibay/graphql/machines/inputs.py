"""What clients send about machines; only its shape is checked here."""

from __future__ import annotations

from enum import Enum

import strawberry

from infinibay.core.machine_status import MachineStatus
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.graphql.common import OrderByDirection, given, optional_id
from infinibay.graphql.scalars import JSONObject
from infinibay.services.machines import requests


@strawberry.enum
class MachineOs(Enum):
    WINDOWS10 = "windows10"
    WINDOWS11 = "windows11"
    FEDORA = "fedora"
    UBUNTU = "ubuntu"
    DEBIAN = "debian"
    RHEL = "rhel"
    ROCKY = "rocky"
    ALMA = "alma"


@strawberry.enum
class MediaMode(Enum):
    """SEED: the answers lie on a small medium beside the untouched ISO. REMASTER: a new ISO is built with them inside.
    MANUAL: a person answers the installer."""

    SEED = "seed"
    REMASTER = "remaster"
    MANUAL = "manual"


@strawberry.enum
class MachineOrderByField(Enum):
    """CONFIG stands for the default order: there is no such column."""

    ID = "id"
    CONFIG = "config"
    STATUS = "status"
    USER_ID = "userId"
    TEMPLATE_ID = "templateId"
    CREATED_AT = "createdAt"


@strawberry.input
class MachineOrderBy:
    field_name: MachineOrderByField | None = MachineOrderByField.CREATED_AT
    direction: OrderByDirection | None = OrderByDirection.DESC

    def to_request(self) -> requests.MachineOrder:
        descending = self.direction is not OrderByDirection.ASC
        match self.field_name:
            case MachineOrderByField.ID:
                return requests.MachineOrder("id", descending)
            case MachineOrderByField.STATUS:
                return requests.MachineOrder("status", descending)
            case MachineOrderByField.USER_ID:
                return requests.MachineOrder("userId", descending)
            case MachineOrderByField.TEMPLATE_ID:
                return requests.MachineOrder("templateId", descending)
            case _:
                return requests.MachineOrder("createdAt", descending)


@strawberry.input
class MachineApplicationInputType:
    """`machineId` is accepted and not looked at: the machine is the one being created."""

    machine_id: str | None = strawberry.UNSET
    application_id: str
    parameters: JSONObject | None = strawberry.UNSET

    def to_request(self) -> requests.ApplicationRequest:
        return requests.ApplicationRequest(self.application_id, self.parameters or {})


@strawberry.input
class FirstBootScriptInputType:
    script_id: str
    input_values: JSONObject

    def to_request(self) -> requests.ScriptRequest:
        return requests.ScriptRequest(self.script_id, self.input_values)


@strawberry.input
class CreateMachineInputType:
    """Either a template or all three custom sizes, in GB. An empty `departmentId` means the department Default. Without
    an `isoId` or a `baseImage` the system's own medium is taken, without a `mediaMode` the server's usual one. `locale`
    is like en_US, `keyboard` like us or ch fr, `timezone` like Europe/Zurich; `edition` is one of those on a Windows
    medium, not for an image."""

    name: str
    os: MachineOs
    username: str
    password: str
    product_key: str | None = strawberry.UNSET
    department_id: strawberry.ID | None = strawberry.ID("")
    template_id: str | None = strawberry.UNSET
    custom_cores: int | None = strawberry.UNSET
    custom_ram: int | None = strawberry.UNSET
    custom_storage: int | None = strawberry.UNSET
    pci_bus: str | None = None
    iso_id: strawberry.ID | None = strawberry.UNSET
    base_image: strawberry.ID | None = strawberry.UNSET
    media_mode: MediaMode | None = strawberry.UNSET
    locale: str | None = strawberry.UNSET
    keyboard: str | None = strawberry.UNSET
    timezone: str | None = strawberry.UNSET
    hostname: str | None = strawberry.UNSET
    ssh_keys: list[str] | None = strawberry.UNSET
    edition: str | None = strawberry.UNSET
    packages: list[str] | None = strawberry.UNSET
    applications: list[MachineApplicationInputType] = strawberry.field(default_factory=list)
    first_boot_scripts: list[FirstBootScriptInputType] = strawberry.field(default_factory=list)

    def to_request(self) -> requests.CreateMachineRequest:
        return requests.CreateMachineRequest(
            name=self.name,
            os=self.os.value,
            username=self.username,
            password=self.password,
            product_key=self.product_key or None,
            department_id=self.department_id or None,
            template_id=self.template_id or None,
            custom_cores=given(self.custom_cores),
            custom_ram=given(self.custom_ram),
            custom_storage=given(self.custom_storage),
            pci_bus=self.pci_bus or None,
            iso_id=optional_id(given(self.iso_id)),
            base_image=optional_id(given(self.base_image)),
            media_mode=self.media_mode.value if self.media_mode else None,
            locale=self.locale or None,
            keyboard=self.keyboard or None,
            timezone=self.timezone or None,
            hostname=self.hostname or None,
            ssh_keys=tuple(self.ssh_keys or ()),
            edition=self.edition or None,
            packages=tuple(self.packages or ()),
            applications=tuple(one.to_request() for one in self.applications),
            first_boot_scripts=tuple(one.to_request() for one in self.first_boot_scripts),
        )


@strawberry.input
class UpdateMachineHardwareInput:
    """What is left out stays as it is; `gpuPciAddress: null` takes the GPU away."""

    id: strawberry.ID
    cpu_cores: int | None = strawberry.UNSET
    ram_gb: int | None = strawberry.field(name="ramGB", default=strawberry.UNSET)
    gpu_pci_address: str | None = strawberry.UNSET

    def to_changes(self) -> dict[str, int | str | None]:
        changes: dict[str, int | str | None] = {}
        if self.cpu_cores is not strawberry.UNSET and self.cpu_cores is not None:
            changes["cpuCores"] = self.cpu_cores
        if self.ram_gb is not strawberry.UNSET and self.ram_gb is not None:
            changes["ramGB"] = self.ram_gb
        if self.gpu_pci_address is not strawberry.UNSET:
            changes["gpuPciAddress"] = self.gpu_pci_address
        return changes


@strawberry.input
class UpdateMachineNameInput:
    id: strawberry.ID
    name: str


@strawberry.input
class UpdateMachineUserInput:
    """No `userId` leaves the machine without an owner."""

    id: strawberry.ID
    user_id: str | None = strawberry.UNSET


@strawberry.input
class MachineFilter:
    search: str | None = strawberry.UNSET
    status: list[str] | None = strawberry.UNSET
    department_id: strawberry.ID | None = strawberry.UNSET
    user_id: strawberry.ID | None = strawberry.UNSET
    os: list[str] | None = strawberry.UNSET

    def to_request(self) -> requests.MachineFilter:
        """Raises BadUserInput for a word that is no status."""
        return requests.MachineFilter(
            search=self.search or None,
            status=tuple(_known_status(word) for word in self.status or ()),
            department_id=optional_id(self.department_id),
            user_id=optional_id(self.user_id),
            os=tuple(word.lower() for word in self.os or ()),
        )


def _known_status(word: str) -> str:
    known = [status.value for status in MachineStatus]
    if word not in known:
        raise BadUserInput(FieldProblem("filter.status", f"A machine's status is one of {', '.join(known)}"))
    return word

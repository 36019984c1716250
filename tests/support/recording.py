"""Stand-ins for services whose real parts need a hypervisor and a worker: they record what reaches them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from infinibay.core.access import Principal
from infinibay.db import rows
from infinibay.errors import NotFound
from infinibay.operations.api import Failure
from infinibay.services.images.service import Addition
from infinibay.services.machines.create import Begun
from infinibay.services.machines.requests import (
    CreateMachineRequest,
    GraphicsLink,
    MachineFilter,
    MachineOrder,
    MachinePlan,
    Outcome,
    Relation,
)
from infinibay.services.machines.service import MachinePage
from infinibay.services.operations import OperationPage


@dataclass
class RecordingMachines:
    """Knows the machines that were created through it; `error` is raised by the next call of `create`."""

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    known: dict[str, rows.Machine] = field(default_factory=dict)
    error: Exception | None = None

    @property
    def changes(self) -> RecordingMachines:
        return self

    async def create(
        self, principal: Principal, request: CreateMachineRequest, relations: Collection[Relation]
    ) -> Begun:
        self._note("create", request)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        row = machine_row(request.name, principal.user_id)
        self.known[row.id] = row
        return Begun(row, creation_row(row.id))

    async def plan(self, principal: Principal, request: CreateMachineRequest) -> MachinePlan:
        self._note("plan", request)
        return MachinePlan(
            valid=True,
            problems=(),
            warnings=(),
            cpu_cores=1,
            ram_gb=1,
            disk_size_gb=1,
            disk_path="/disk",
            network="default",
            filters=(),
            firmware="efi",
            domain_type="qemu",
            medium="/iso",
            media_mode="manual",
            steps=("volume",),
            xml="<domain/>",
        )

    async def find(self, principal: Principal, machine_id: str) -> rows.Machine | None:
        self._note("find", machine_id)
        return self.known.get(machine_id)

    async def list(
        self, principal: Principal, order: MachineOrder, take: int | None, skip: int, relations: frozenset[Relation]
    ) -> list[rows.Machine]:
        self._note("list", order, take, skip)
        return list(self.known.values())[skip : None if take is None else skip + take]

    async def page(
        self,
        principal: Principal,
        wanted: MachineFilter,
        first: int,
        after: str | None,
        relations: frozenset[Relation],
    ) -> MachinePage:
        self._note("page", wanted, first, after)
        return MachinePage([], None, 0)

    async def graphics(self, principal: Principal, machine_id: str) -> GraphicsLink | None:
        self._note("graphics", machine_id)
        return None

    async def verb(self, principal: Principal, machine_id: str, kind: str, **values: Any) -> Outcome:
        self._note(kind, machine_id, values)
        if machine_id not in self.known:
            return Outcome(success=False, message="Machine not found")
        return Outcome(success=True, message=f"Did {kind}")

    async def destroy(self, principal: Principal, machine_id: str) -> Outcome:
        return await self.verb(principal, machine_id, "destroy")

    async def execute_command(self, principal: Principal, machine_id: str, command: str) -> Outcome:
        return await self.verb(principal, machine_id, "execute_command", command=command)

    async def retry(
        self, principal: Principal, machine_id: str, password: str | None, relations: Collection[Relation]
    ) -> Begun:
        return Begun(self._changed("retry", machine_id, password), creation_row(machine_id))

    async def rename(self, principal: Principal, machine_id: str, name: str) -> rows.Machine:
        return self._changed("rename", machine_id, name)

    async def assign(self, principal: Principal, machine_id: str, user_id: str | None) -> rows.Machine:
        return self._changed("assign", machine_id, user_id)

    async def move(self, principal: Principal, machine_id: str, department_id: str) -> rows.Machine:
        return self._changed("move", machine_id, department_id)

    async def update_hardware(self, principal: Principal, machine_id: str, changed: dict[str, Any]) -> rows.Machine:
        return self._changed("update_hardware", machine_id, changed)

    async def set_autostart(self, principal: Principal, machine_id: str, enabled: bool) -> rows.Machine:
        return self._changed("set_autostart", machine_id, enabled)

    def count(self, kind: str) -> int:
        """How often a call of this kind came through."""
        return sum(1 for name, _ in self.calls if name == kind)

    def last(self, kind: str) -> tuple[Any, ...]:
        """The arguments of the latest call of this kind."""
        return next(arguments for name, arguments in reversed(self.calls) if name == kind)

    def _note(self, kind: str, *arguments: Any) -> None:
        self.calls.append((kind, arguments))

    def _changed(self, kind: str, machine_id: str, *arguments: Any) -> rows.Machine:
        self._note(kind, machine_id, *arguments)
        if machine_id not in self.known:
            raise NotFound("Machine not found")
        return self.known[machine_id]


@dataclass
class RecordingImages:
    """Has one image, whatever is asked for; a clone is a machine that was created."""

    machines: RecordingMachines

    async def all(self) -> Sequence[rows.Image]:
        return [image_row()]

    async def find(self, _image_id: str) -> rows.Image | None:
        return image_row()

    async def add(self, _principal: Principal, wanted: Addition) -> rows.Image:
        return image_row(wanted.name)

    async def create(self, _principal: Principal, _machine_id: str, name: str) -> rows.Image:
        return image_row(name)

    async def remove(self, _principal: Principal, _image_id: str) -> None:
        return None

    async def clone(
        self, principal: Principal, _machine_id: str, name: str, *, linked: bool, relations: Collection[Relation]
    ) -> Begun:
        assert linked
        assert not relations
        row = machine_row(name, principal.user_id)
        self.machines.known[row.id] = row
        return Begun(row, creation_row(row.id))


@dataclass
class RecordingOperations:
    """Knows no operation; counts the batches that loaders ask for."""

    batches: list[str] = field(default_factory=list)
    pages: list[dict[str, Any]] = field(default_factory=list)

    async def find(self, principal: Principal, operation_id: str) -> rows.Operation | None:
        return None

    async def page(self, principal: Principal, **wanted: Any) -> OperationPage:
        self.pages.append(wanted)
        return OperationPage([], None)

    async def cancel(self, principal: Principal, operation_id: str) -> rows.Operation:
        raise NotFound("Operation not found")

    async def latest(self, machine_ids: Sequence[str]) -> dict[str, rows.Operation]:
        self.batches.append("latest")
        return {}

    async def failures(self, failed: Sequence[rows.Machine]) -> dict[str, Failure]:
        self.batches.append("failures")
        return {row.id: Failure("start", "UNAVAILABLE", "No memory", "Add some", ("line",)) for row in failed}


def image_row(name: str = "image") -> rows.Image:
    return rows.Image(
        id=str(uuid4()),
        name=name,
        nameKey=name,
        os="ubuntu",
        kind="image",
        state="ready",
        pool="default",
        volumeName="image.qcow2",
        format="qcow2",
        sizeGB=1,
        createdAt=datetime.now(UTC),
    )


def machine_row(name: str, user_id: str | None, **changes: Any) -> rows.Machine:
    """A machine's record as the database would give it."""
    now = datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)
    machine_id = str(uuid4())
    values: dict[str, Any] = {
        "id": machine_id,
        "name": name,
        "nameKey": name.casefold(),
        "internalName": machine_id,
        "status": "building",
        "os": "ubuntu",
        "cpuCores": 2,
        "ramGB": 4,
        "diskSizeGB": 20,
        "autostart": False,
        "hostId": str(uuid4()),
        "userId": user_id,
        "departmentId": str(uuid4()),
        "createdAt": now,
        "updatedAt": now,
    }
    return rows.Machine.model_validate({**values, **changes})


def creation_row(machine_id: str) -> rows.Operation:
    """The record of the operation that makes a machine, which nobody has taken yet."""
    return rows.Operation.model_validate(
        {
            "id": str(uuid4()),
            "kind": "create",
            "state": "QUEUED",
            "hostId": str(uuid4()),
            "machineId": machine_id,
            "input": "{}",
            "result": "{}",
            "steps": 5,
            "cancelRequested": False,
            "log": [],
            "createdAt": datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=UTC),
        }
    )

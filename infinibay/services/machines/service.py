"""What callers can do with machines; each call starts from the principal."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from infinibay.core.access import Principal
from infinibay.db import machines, rows
from infinibay.db.client import Database
from infinibay.errors import InfinibayError, NotFound, NotImplementedYet
from infinibay.operations.api import NewOperation
from infinibay.operations.engine import OperationEngine
from infinibay.services import cursors, idempotency
from infinibay.services.machines.changes import MachineChanges
from infinibay.services.machines.create import Begun, CreateMachine
from infinibay.services.machines.creation_steps import CREATE, DESTROY
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.services.machines.records import undrivable
from infinibay.services.machines.requests import (
    CreateMachineRequest,
    GraphicsLink,
    MachineFilter,
    MachineOrder,
    MachinePlan,
    Outcome,
    Relation,
)
from infinibay.services.machines.visible import visible_machine

# Beyond the guest's own time a verb waits this long for its turn and its end; then it says that it goes on.
_PATIENCE_SECONDS = 60
_NOT_FOUND = Outcome(success=False, message="Machine not found")


@dataclass(frozen=True)
class MachinePage:
    """Some machines, the cursor of what follows (None at the end), and how many there are in all."""

    items: list[rows.Machine]
    next: str | None
    total: int


class MachineService:
    """Machines as a principal sees and drives them."""

    def __init__(
        self,
        database: Database,
        engine: OperationEngine,
        creation: CreateMachine,
        changes: MachineChanges,
        secrets: MachineSecrets,
        *,
        power_off_seconds: int,
        graphic_host: str,
    ) -> None:
        self._database = database
        self._engine = engine
        self._creation = creation
        self._changes = changes
        self._secrets = secrets
        self._patience = power_off_seconds + _PATIENCE_SECONDS
        self._graphic_host = graphic_host

    @property
    def changes(self) -> MachineChanges:
        """Name, owner, department, hardware, autostart."""
        return self._changes

    async def create(
        self, principal: Principal, request: CreateMachineRequest, relations: Collection[Relation]
    ) -> Begun:
        return await self._creation.create(principal, request, relations)

    async def plan(self, _principal: Principal, request: CreateMachineRequest) -> MachinePlan:
        return await self._creation.plan(request)

    async def retry(
        self, principal: Principal, machine_id: str, password: str | None, relations: Collection[Relation]
    ) -> Begun:
        return await self._creation.retry(principal, machine_id, password, relations)

    async def find(self, principal: Principal, machine_id: str) -> rows.Machine | None:
        return await visible_machine(self._database, principal, machine_id)

    async def list(
        self, principal: Principal, order: MachineOrder, take: int | None, skip: int, relations: frozenset[Relation]
    ) -> list[rows.Machine]:
        """The machines that the principal may see, with these relations."""
        return await machines.list_visible(
            self._database,
            None if principal.is_admin else principal.user_id,
            order=order.by,
            descending=order.descending,
            take=take,
            skip=skip,
            relations=relations,
        )

    async def page(
        self,
        principal: Principal,
        wanted: MachineFilter,
        first: int,
        after: str | None,
        relations: frozenset[Relation],
    ) -> MachinePage:
        where = machines.narrowed(
            owner_id=None if principal.is_admin else principal.user_id,
            search=wanted.search,
            statuses=wanted.status,
            department_id=wanted.department_id,
            user_id=wanted.user_id,
            systems=wanted.os,
        )
        position = cursors.decode(after) if after else None
        found = await machines.page(self._database, where, first=first + 1, after=position, relations=relations)
        items = found[:first]
        following = cursors.encode(items[-1].createdAt, items[-1].id) if len(found) > first else None
        return MachinePage(items, following, await machines.count(self._database, where))

    async def verb(self, principal: Principal, machine_id: str, kind: str, **values: Any) -> Outcome:
        """Runs a verb as an operation, waits for its end, and tells it as it was."""
        machine = await visible_machine(self._database, principal, machine_id)
        if machine is None:
            return _NOT_FOUND
        if kind != DESTROY and (refusal := undrivable(machine)):
            return Outcome(success=False, message=refusal)
        new = NewOperation(
            kind=kind,
            host_id=machine.hostId,
            machine_id=machine.id,
            requested_by_id=principal.user_id,
            input=values,
            # Its status says that it is made, which its creation notes a moment before its own end.
            behind=frozenset() if machine.status == rows.MachineStatus.building else frozenset({CREATE}),
        )
        try:
            operation = await self._request(new)
        except InfinibayError as error:
            return Outcome(success=False, message=error.message)
        return await self.outcome_of(operation.id)

    async def outcome_of(self, operation_id: str) -> Outcome:
        """Waits for the end of a verb's operation, and tells it as it was."""
        try:
            return _outcome(await self._engine.wait(operation_id, self._patience))
        except InfinibayError as error:
            return Outcome(success=False, message=error.message)

    async def _request(self, new: NewOperation) -> rows.Operation:
        async with self._database.tx() as tx:
            operation = await self._engine.submit(tx, new)
            await idempotency.settle(tx, {"verb": operation.id})
        await self._engine.enqueue(operation)
        return operation

    async def destroy(self, principal: Principal, machine_id: str) -> Outcome:
        return await self.verb(principal, machine_id, DESTROY)

    async def graphics(self, principal: Principal, machine_id: str) -> GraphicsLink | None:
        """Where the machine's graphics listen; None when it is absent, not the principal's, or off."""
        machine = await visible_machine(self._database, principal, machine_id)
        if machine is None or machine.configuration is None or machine.configuration.graphicPort is None:
            return None
        password = await self._secrets.graphics_password(self._database, machine.id)
        protocol = machine.configuration.graphicProtocol
        link = f"{protocol}://{self._graphic_host}:{machine.configuration.graphicPort}"
        return GraphicsLink(link=link, password=password or "", protocol=protocol)

    async def execute_command(self, principal: Principal, machine_id: str, _command: str) -> Outcome:
        """Running commands in the guest is a later issue's; until then a typed error, once the machine is known."""
        if await visible_machine(self._database, principal, machine_id) is None:
            raise NotFound("Machine not found")
        raise NotImplementedYet("Running commands in the guest is not available yet")


def _outcome(operation: rows.Operation) -> Outcome:
    match operation.state:
        case "SUCCEEDED":
            result = dict(operation.result)
            told = (result.get("before"), result["message"])
            return Outcome(success=True, message=". ".join(str(part) for part in told if part))
        case "FAILED" | "CANCELLED":
            return Outcome(success=False, message=operation.failureMessage or "The operation was cancelled")
        case _:
            return Outcome(success=False, message=f"Still in progress: operation {operation.id}")

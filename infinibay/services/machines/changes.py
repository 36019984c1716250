"""Changes of a machine that leave its domain running: name, owner, department, hardware, autostart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from infinibay.core import naming, sizing
from infinibay.core.access import Principal
from infinibay.core.identifiers import canonical
from infinibay.db import departments, events, machines, operations, rows, users
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, FieldProblem, NotFound, NotImplementedYet, UniqueViolation
from infinibay.operations.api import NewOperation, OperationKind, Step, StepContext
from infinibay.operations.engine import OperationEngine
from infinibay.services import idempotency
from infinibay.services.machines.definition import Definition
from infinibay.services.machines.visible import visible_machine

MOVE = "move"
_FROM = "from"


class MachineChanges:
    """The row-returning mutations; each writes the event `machine.updated` {field: new value}."""

    def __init__(self, database: Database, engine: OperationEngine) -> None:
        self._database = database
        self._engine = engine

    async def rename(self, principal: Principal, machine_id: str, name: str) -> rows.Machine:
        machine = await self._found(principal, machine_id)
        trimmed = name.strip()
        if not trimmed:
            raise BadUserInput(FieldProblem("name", "Machine name cannot be empty"))
        if problems := sizing.name_problems("name", name):
            raise BadUserInput(*problems)

        async def write(tx: Database) -> None:
            await machines.rename(tx, machine.id, trimmed, naming.name_key(name))

        try:
            return await self._write(principal, machine, {"name": trimmed}, write)
        except UniqueViolation as error:
            raise Conflict(f'Machine name "{trimmed}" is already taken', field="name") from error

    async def assign(self, principal: Principal, machine_id: str, user_id: str | None) -> rows.Machine:
        machine = await self._found(principal, machine_id)
        owner_id = await self._known_user(user_id) if user_id is not None else None
        async with self._database.tx() as tx:
            locked = await machines.lock(tx, machine.id)
            if locked is not None and locked.userId != owner_id:
                await machines.assign(tx, machine.id, owner_id)
                await self._tell_owners(tx, principal, locked, owner_id)
            await idempotency.settle(tx, {"machine": machine.id})
        return await self._found(principal, machine.id)

    async def _known_user(self, user_id: str) -> str:
        """The id as the database writes it."""
        user = await users.find(self._database, known_form) if (known_form := canonical(user_id)) else None
        if user is None or user.deletedAt is not None:
            raise BadUserInput(FieldProblem("userId", f"User with ID {user_id} not found"))
        return user.id

    async def _tell_owners(
        self, tx: Database, principal: Principal, machine: rows.Machine, owner_id: str | None
    ) -> None:
        """Each sees that it came or went, and not to whom or from whom."""
        if machine.userId is not None:
            await events.append(
                tx,
                kind=events.MACHINE_RELEASED,
                data={},
                machine_id=machine.id,
                owner_id=machine.userId,
                actor_id=principal.user_id,
            )
        await events.append(
            tx,
            kind="machine.updated",
            data={"userId": owner_id},
            machine_id=machine.id,
            owner_id=owner_id,
            actor_id=principal.user_id,
        )

    async def set_autostart(self, principal: Principal, machine_id: str, enabled: bool) -> rows.Machine:
        machine = await self._found(principal, machine_id)

        async def write(tx: Database) -> None:
            await machines.set_autostart(tx, machine.id, enabled=enabled)

        return await self._write(principal, machine, {"autostart": enabled}, write)

    async def update_hardware(
        self, principal: Principal, machine_id: str, changed: Mapping[str, int | str | None]
    ) -> rows.Machine:
        """Checks the values; changing hardware is a later issue's. `changed` holds only what the caller sent."""
        machine = await self._found(principal, machine_id)
        problems = [
            FieldProblem(field, f"{title} must be positive.")
            for field, title in (("cpuCores", "CPU cores"), ("ramGB", "RAM"))
            if isinstance(value := changed.get(field), int) and value <= 0
        ]
        if problems:
            raise BadUserInput(*problems)
        present = {"cpuCores": machine.cpuCores, "ramGB": machine.ramGB, "gpuPciAddress": machine.gpuPciAddress}
        if all(present[field] == value for field, value in changed.items()):
            return machine
        raise NotImplementedYet("Changing a machine's hardware is not available yet")

    async def move(self, principal: Principal, machine_id: str, department_id: str) -> rows.Machine:
        """Gives the machine to another department, whose filter its own then inherits. Raises NotFound, BadUserInput,
        OperationFailed when it stays where it was, or Unavailable while it takes too long."""
        machine = await self._found(principal, machine_id)
        known_form = canonical(department_id)
        department = await departments.find(self._database, known_form) if known_form else None
        if department is None:
            raise BadUserInput(FieldProblem("departmentId", "Department not found"))
        new = NewOperation(
            kind=MOVE,
            host_id=machine.hostId,
            machine_id=machine.id,
            requested_by_id=principal.user_id,
            input={"to": department.id},
        )
        async with self._database.tx() as tx:
            operation = await self._engine.submit(tx, new)
            await idempotency.settle(tx, idempotency.awaited(operation.id, {"machine": machine.id}))
        await self._engine.enqueue(operation)
        await self._engine.succeeded(operation.id)
        return await self._found(principal, machine_id)

    async def _found(self, principal: Principal, machine_id: str) -> rows.Machine:
        machine = await visible_machine(self._database, principal, machine_id)
        if machine is None:
            raise NotFound("Machine not found")
        return machine

    async def _write(
        self,
        principal: Principal,
        machine: rows.Machine,
        data: Mapping[str, Any],
        write: Callable[[Database], Awaitable[None]],
    ) -> rows.Machine:
        async with self._database.tx() as tx:
            # Locked, so that the owner who is told is the owner of this moment.
            locked = await machines.lock(tx, machine.id)
            if locked is None:
                raise NotFound("Machine not found")
            await write(tx)
            await events.append(
                tx,
                kind="machine.updated",
                data=dict(data),
                machine_id=machine.id,
                owner_id=locked.userId,
                actor_id=principal.user_id,
            )
            await idempotency.settle(tx, {"machine": machine.id})
        return await self._found(principal, machine.id)


class MoveSteps:
    """The kind `move`: the row first, then the filter that follows it; back in reverse."""

    def __init__(self, database: Database, definition: Definition) -> None:
        self._database = database
        self._definition = definition

    def kinds(self) -> tuple[OperationKind, ...]:
        """The table of this module's kinds."""
        steps = (Step("records", self._move, undo=self._back), Step("filters", self._filters))
        return (OperationKind(MOVE, steps),)

    async def _move(self, context: StepContext) -> None:
        await self._write(context, str(context.input["to"]))

    async def _back(self, context: StepContext) -> None:
        """To where the move itself took it from, which moves that waited before it may have changed."""
        operation = await operations.find(self._database, context.operation_id)
        before = dict(operation.result).get(_FROM) if operation is not None else None
        if before is not None:
            await self._write(context, str(before))
            await self._filters(context)

    async def _filters(self, context: StepContext) -> None:
        await self._definition.ensure_filters(str(context.machine_id))

    async def _write(self, context: StepContext, department_id: str) -> None:
        async with self._database.tx() as tx:
            machine = await machines.lock(tx, str(context.machine_id))
            if machine is None or machine.departmentId == department_id:
                return
            if not await departments.hold(tx, department_id):
                raise Conflict("The department was destroyed at the same moment")
            await machines.move(tx, machine.id, department_id)
            await operations.merge_result(tx, context.operation_id, {_FROM: machine.departmentId})
            await events.append(
                tx,
                kind="machine.updated",
                data={"departmentId": department_id},
                machine_id=machine.id,
                operation_id=context.operation_id,
                owner_id=machine.userId,
            )

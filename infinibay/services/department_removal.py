"""The removal of a department as a durable operation: its nwfilter, then its row, and nothing of it by halves."""

from __future__ import annotations

from infinibay.core.access import Principal
from infinibay.db import departments, events
from infinibay.db.client import Database
from infinibay.errors import Conflict, WrongState
from infinibay.operations.api import NewOperation, OperationKind, Step, StepContext
from infinibay.operations.engine import OperationEngine
from infinibay.services import idempotency
from infinibay.services.departments import DepartmentView, with_machines
from infinibay.services.machines.firewall import MachineFilters

DESTROY_DEPARTMENT = "destroy_department"


class DepartmentRemoval:
    """Removes departments that have no machines."""

    def __init__(self, database: Database, filters: MachineFilters) -> None:
        self._database = database
        self._filters = filters

    def kinds(self) -> tuple[OperationKind, ...]:
        """The table of this module's kinds."""
        # One step, so that whatever interrupts it, the filter is looked for again right before the row goes.
        return (OperationKind(DESTROY_DEPARTMENT, (Step("remove", self._remove, undo=self._keep),), exclusive=True),)

    async def _remove(self, context: StepContext) -> None:
        """The row last: what fails before leaves a department whose removal can be asked for again."""
        department_id = str(context.department_id)
        await _require_empty(self._database, department_id)
        try:
            await self._filters.remove_department(department_id)
        except WrongState as error:
            raise Conflict(
                f"The department's filter is in use: {error.message}",
                remedy="Wait until the machines that leave it have moved, then destroy it again",
            ) from error
        await self._remove_row(context, department_id)

    async def _remove_row(self, context: StepContext, department_id: str) -> None:
        async with self._database.tx() as tx:
            if await departments.lock(tx, department_id) is None:
                return
            await _require_empty(tx, department_id)
            await departments.delete(tx, department_id)
            await events.append(
                tx,
                kind="department.destroyed",
                data={"departmentId": department_id},
                operation_id=context.operation_id,
            )

    async def _keep(self, context: StepContext) -> None:
        """Puts the filter back for machines that came meanwhile; the first machine of an empty one brings it."""
        department_id = str(context.department_id)
        if await departments.count_machines(self._database, [department_id], None):
            await self._filters.ensure_department(department_id)


async def _require_empty(database: Database, department_id: str) -> None:
    if await departments.count_machines(database, [department_id], None):
        raise with_machines()


class DepartmentRemover:
    """Asks for the removal and waits for its end."""

    def __init__(self, database: Database, engine: OperationEngine, host_id: str) -> None:
        self._database = database
        self._engine = engine
        self._host_id = host_id

    async def __call__(self, principal: Principal, department: DepartmentView) -> None:
        """Raises OperationFailed that says why, when the department stays, or Unavailable while it takes too long."""
        new = NewOperation(
            kind=DESTROY_DEPARTMENT,
            host_id=self._host_id,
            department_id=department.row.id,
            requested_by_id=principal.user_id,
        )
        async with self._database.tx() as tx:
            operation = await self._engine.submit(tx, new)
            await idempotency.settle(tx, idempotency.awaited(operation.id, department.kept()))
        await self._engine.enqueue(operation)
        await self._engine.succeeded(operation.id)

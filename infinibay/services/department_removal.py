"""The removal of a department as a durable operation: its nwfilter, then its row."""

from __future__ import annotations

from infinibay.core.access import Principal
from infinibay.db import departments, events
from infinibay.db.client import Database
from infinibay.operations.api import NewOperation, OperationKind, Step, StepContext
from infinibay.operations.engine import OperationEngine
from infinibay.services import idempotency
from infinibay.services.departments import DepartmentView
from infinibay.services.machines.firewall import MachineFilters

DESTROY_DEPARTMENT = "destroy_department"


class DepartmentRemoval:
    """Removes departments that have no machines; the database refuses the row's removal while one has."""

    def __init__(self, database: Database, filters: MachineFilters) -> None:
        self._database = database
        self._filters = filters

    def kinds(self) -> tuple[OperationKind, ...]:
        """The table of this module's kinds."""
        steps = (Step("records", self._remove_records), Step("filters", self._remove_filters))
        return (OperationKind(DESTROY_DEPARTMENT, steps, exclusive=True),)

    async def _remove_records(self, context: StepContext) -> None:
        """First the row: once it is gone, no machine can come to need the filter."""
        async with self._database.tx() as tx:
            if await departments.delete(tx, str(context.department_id)):
                await events.append(
                    tx,
                    kind="department.destroyed",
                    data={"departmentId": context.department_id},
                    operation_id=context.operation_id,
                )

    async def _remove_filters(self, context: StepContext) -> None:
        await self._filters.remove_department(str(context.department_id))


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

"""Durable operations as a principal sees them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from infinibay.core.access import Principal
from infinibay.core.identifiers import canonical
from infinibay.db import machines, operations, rows
from infinibay.db.client import Database
from infinibay.errors import Conflict, Forbidden, NotFound
from infinibay.events.feed import Feed
from infinibay.operations.api import Failure
from infinibay.operations.context import stored
from infinibay.operations.engine import OperationEngine
from infinibay.services import cursors, idempotency
from infinibay.services.machines.records import DOMAIN_GONE


@dataclass(frozen=True)
class OperationPage:
    """Some operations, newest first, and the cursor of what follows (None at the end)."""

    items: list[rows.Operation]
    next: str | None


class OperationsService:
    """A user sees what was asked for by the user, and what was done to a machine while it was the user's;
    administrators see all."""

    def __init__(self, database: Database, engine: OperationEngine, feed: Feed[rows.Event]) -> None:
        self._database = database
        self._engine = engine
        self._feed = feed

    async def find(self, principal: Principal, operation_id: str) -> rows.Operation | None:
        known_form = canonical(operation_id)
        operation = await operations.find(self._database, known_form) if known_form else None
        if operation is None or principal.is_admin:
            return operation
        return operation if await operations.concerns(self._database, operation.id, principal.user_id) else None

    async def page(
        self,
        principal: Principal,
        *,
        machine_id: str | None,
        state: rows.OperationState | None,
        kind: str | None,
        first: int,
        after: str | None,
    ) -> OperationPage:
        if machine_id is not None and canonical(machine_id) is None:
            return OperationPage([], None)
        found = await operations.page(
            self._database,
            user_id=None if principal.is_admin else principal.user_id,
            machine_id=machine_id,
            state=state,
            kind=kind,
            first=first + 1,
            after=cursors.decode(after) if after else None,
        )
        items = found[:first]
        following = cursors.encode(items[-1].createdAt, items[-1].id) if len(found) > first else None
        return OperationPage(items, following)

    async def cancel(self, principal: Principal, operation_id: str) -> rows.Operation:
        """Asks a running operation to end before its next step; it then takes back what it did."""
        operation = await self.find(principal, operation_id)
        if operation is None:
            raise NotFound("Operation not found")
        if operation.endedAt is not None:
            raise Conflict("The operation has ended already")
        if not (principal.is_admin or operation.requestedById == principal.user_id):
            await self._demand_owner(principal, operation)
        async with self._database.tx() as tx:
            await idempotency.settle(tx, {"operation": operation.id})
            return await self._engine.request_cancel(operation.id, tx)

    async def _demand_owner(self, principal: Principal, operation: rows.Operation) -> None:
        machine = await machines.find(self._database, operation.machineId) if operation.machineId else None
        if machine is not None and machine.userId != principal.user_id:
            raise Forbidden("The machine is no longer yours")

    async def succeeded(self, operation_id: str) -> None:
        """Returns when the operation of an earlier call has succeeded. Raises OperationFailed, or Unavailable while it
        takes too long."""
        await self._engine.succeeded(operation_id)

    async def watch(self, principal: Principal, operation_id: str) -> AsyncGenerator[rows.Operation]:
        """The operation as it is, then whenever it has changed, until it has ended. Raises NotFound for one that is
        absent or not the principal's."""
        if await self.find(principal, operation_id) is None:
            raise NotFound("Operation not found")
        return self._progress(principal, operation_id)

    async def _progress(self, principal: Principal, operation_id: str) -> AsyncGenerator[rows.Operation]:
        shown: rows.Operation | None = None
        with self._feed.reading(operation_id) as reader:
            while shown is None or shown.endedAt is None:
                row = await stored(lambda: self.find(principal, operation_id))
                if row is None:
                    raise NotFound("Operation not found")
                if row != shown:
                    shown = row
                    yield row
                else:
                    await reader.news()

    async def latest(self, machine_ids: Sequence[str]) -> dict[str, rows.Operation]:
        """The latest operation of each machine, with one statement."""
        return await operations.latest_of(self._database, machine_ids)

    async def failures(self, failed: Sequence[rows.Machine]) -> dict[str, Failure]:
        """Why each of these machines is `failed`: its latest failed operation, or the domain that vanished."""
        latest = await operations.latest_failed_of(self._database, [machine.id for machine in failed])
        found = {machine_id: self._engine.failure_of(row) for machine_id, row in latest.items()}
        failures: dict[str, Failure] = {}
        for machine in failed:
            reason = machine.statusReason or "The machine failed"
            failure = found.get(machine.id)
            if reason.startswith(DOMAIN_GONE) or failure is None:
                failure = Failure(step=None, code="NOT_FOUND", message=reason)
            failures[machine.id] = failure
        return failures

"""Durable operations as services use them: submit in a transaction, enqueue after it, wait, cancel."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Literal
from uuid import uuid4

from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.db.rows import Event, Operation
from infinibay.errors import DatabaseUnavailable, InfinibayError, MachineBusy, NotFound, Unavailable
from infinibay.events.feed import Feed
from infinibay.log import get_logger
from infinibay.operations import failures
from infinibay.operations.admission import Join, Refuse, admit
from infinibay.operations.api import Failure, FaultPoints, NewOperation, OperationFailed, OperationKind
from infinibay.operations.bell import Bell
from infinibay.operations.context import stored
from infinibay.operations.durable import APPLICATION_VERSION, DurableQueue
from infinibay.operations.takeover import partition_of
from infinibay.operations.worker import OperationWorker

log = get_logger(__name__)
Role = Literal["api", "worker", "all"]
_ANSWER_SECONDS = 60


class OperationEngine:
    """The operations of this process. An `api` process writes, enqueues and waits; the others also run what their
    host's queue holds, in order per machine and in parallel across machines."""

    def __init__(
        self,
        kinds: Mapping[str, OperationKind],
        database: Database,
        database_url: str,
        feed: Feed[Event],
        *,
        host_id: str,
        budgets: Mapping[str, int],
        role: Role,
        executor_id: str | None = None,
        concurrency: int = 32,
        retention_days: int = 90,
        patience: float = 120,
        sweep_seconds: float = 3,
        version: str = APPLICATION_VERSION,
        faults: FaultPoints | None = None,
    ) -> None:
        """`feed` tells those who wait. `budgets`: how many steps of a budget run at once. `concurrency`: steps
        that work at once. `patience`: seconds that a step waits for an absent hypervisor or database. ValueError for a
        step with an unknown budget."""
        unknown = {step.budget for kind in kinds.values() for step in kind.steps} - {None, *budgets}
        if unknown:
            raise ValueError(f"steps name unknown budgets: {sorted(map(str, unknown))}")
        self._kinds = dict(kinds)
        self._database = database
        bell = Bell()
        self._queue = DurableQueue(database_url, bell)
        self._feed = feed
        self._handing_over: set[asyncio.Task[None]] = set()
        self._worker: OperationWorker | None = None
        if role != "api":
            # What another process enqueues is told of as an event first.
            feed.on_move(bell.stir)
            self._worker = OperationWorker(
                self._kinds,
                database,
                database_url,
                self._queue,
                bell,
                host_id,
                executor_id=executor_id or f"{host_id}.{os.getpid()}.{uuid4().hex[:8]}",
                budgets=budgets,
                concurrency=concurrency,
                retention_days=retention_days,
                patience=patience,
                sweep_seconds=sweep_seconds,
                version=version,
                faults=faults,
            )

    async def start(self) -> None:
        """Connects, and as a worker takes over what was left and begins to run. Needs the product's tables."""
        try:
            await self._queue.open()
            if self._worker is not None:
                await self._worker.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Interrupts what runs; it goes on at the interrupted step when a worker starts."""
        if self._worker is not None:
            await self._worker.stop()
        await asyncio.gather(*self._handing_over)
        await self._queue.close()

    async def submit(self, tx: Database, new: NewOperation) -> Operation:
        """Writes the operation inside the caller's transaction, as its last statements, or returns the one that it
        joins. Call `enqueue` with it after the commit. Raises MachineBusy, which names the operation in the way."""
        if new.kind not in self._kinds:
            raise InfinibayError(f"This server does not know operations of the kind {new.kind!r}.")
        arrived_at = await queries.lock_queue(tx, new.machine_id or new.department_id or new.host_id)
        alone = new.newborn or not (new.machine_id or new.department_id)
        active = [] if alone else await queries.active(tx, machine_id=new.machine_id, department_id=new.department_id)
        decision = admit(self._kinds, active, new)
        if isinstance(decision, Join):
            return decision.operation
        if isinstance(decision, Refuse):
            raise MachineBusy(f"The machine is busy: {_spoken(decision.operation.kind)} is under way.")
        if decision.cancel:
            await queries.lock(tx, decision.cancel)
        row = await queries.create(
            tx,
            kind=new.kind,
            host_id=new.host_id,
            machine_id=new.machine_id,
            department_id=new.department_id,
            requested_by_id=new.requested_by_id,
            input=new.input,
            steps=len(self._kinds[new.kind].steps),
            arrived_at=arrived_at,
        )
        for operation_id in decision.cancel:
            await queries.request_cancel(tx, operation_id)
        return row

    async def enqueue(self, row: Operation) -> None:
        """Hands a committed operation to its host's queue, after those of the same machine that came before it. When
        the database is away at this moment, a worker's sweep does it later."""
        try:
            # All of them have the host and the partition of this one.
            for operation_id, kind in (await queries.not_enqueued_until(self._database, row.id)).items():
                await self._queue.enqueue(operation_id, host_id=row.hostId, partition=partition_of(row))
                await queries.set_enqueued(self._database, operation_id)
                log.info("operation.enqueued", operation_id=operation_id, machine_id=row.machineId, kind=kind)
        except DatabaseUnavailable as error:
            log.warning("operation.enqueue_delayed", operation_id=row.id, error=error.message)

    def hand_over(self, row: Operation) -> None:
        """`enqueue` for a caller who has an answer to give meanwhile. What fails here a worker's sweep does later."""
        task = asyncio.create_task(self._hand_over(row))
        self._handing_over.add(task)
        task.add_done_callback(self._handing_over.discard)

    async def _hand_over(self, row: Operation) -> None:
        try:
            await self.enqueue(row)
        except Exception:
            log.exception("operation.not_handed_over", operation_id=row.id)

    async def request(self, new: NewOperation) -> Operation:
        """`submit` in a transaction of its own and `enqueue`."""
        async with self._database.tx() as tx:
            row = await self.submit(tx, new)
        await self.enqueue(row)
        return row

    async def request_cancel(self, operation_id: str, tx: Database | None = None) -> Operation:
        """Asks for the operation's end, if wanted in the caller's transaction: it compensates before its next step. No
        effect on one that has ended, or that compensates already. Raises NotFound."""
        database = self._database if tx is None else tx
        await queries.request_cancel(database, operation_id)
        return await _found(database, operation_id)

    async def wait(self, operation_id: str, seconds: float) -> Operation:
        """The operation when it has ended, or as it is after `seconds`; an absent database is waited for. Raises
        NotFound, and DatabaseUnavailable when the time ends without the database."""
        try:
            async with asyncio.timeout(seconds):
                with self._feed.reading(operation_id) as reader:
                    while (row := await stored(lambda: _found(self._database, operation_id))).endedAt is None:
                        await reader.news()
                    return row
        except TimeoutError:
            return await _found(self._database, operation_id)

    async def succeeded(self, operation_id: str) -> None:
        """Returns when the operation has succeeded. Raises OperationFailed that says why it did not, or after a minute
        Unavailable that names it."""
        ended = await self.wait(operation_id, _ANSWER_SECONDS)
        if ended.endedAt is None:
            raise Unavailable(f"Still in progress: operation {ended.id}")
        if failure := self.failure_of(ended):
            raise OperationFailed(failure)

    async def latest(self, machine_id: str, kind: str | None = None) -> Operation | None:
        """The newest operation of a machine, if wanted of one kind."""
        return await queries.latest(self._database, machine_id, kind)

    @staticmethod
    def failure_of(row: Operation) -> Failure | None:
        """Why it ended, with the lines of its log; None without a failure."""
        return failures.failure_of(row)


async def _found(database: Database, operation_id: str) -> Operation:
    row = await queries.find(database, operation_id)
    if row is None:
        raise NotFound("Operation not found")
    return row


def _spoken(kind: str) -> str:
    return kind.replace("_", " ")

"""The part of the engine that runs operations: claims, takeover, retention, and an orderly interruption."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from infinibay.db.client import Database
from infinibay.db.locks import LockHolder
from infinibay.errors import InfinibayError, Unavailable
from infinibay.log import get_logger
from infinibay.operations.api import FaultPoints, OperationKind
from infinibay.operations.durable import DurableQueue, DurableWorker
from infinibay.operations.retention import keep_tidy
from infinibay.operations.steps import StepRunner
from infinibay.operations.takeover import GRACE_SECONDS, Takeover, lock_name
from infinibay.operations.workflow import OperationWorkflow

log = get_logger(__name__)
_STOP_SECONDS = 10.0


class OperationWorker:
    """Runs the operations of one host in this process's event loop."""

    def __init__(
        self,
        kinds: Mapping[str, OperationKind],
        database: Database,
        database_url: str,
        queue: DurableQueue,
        host_id: str,
        *,
        executor_id: str,
        budgets: Mapping[str, int],
        concurrency: int,
        retention_days: int,
        patience: float,
        sweep_seconds: float,
        version: str,
        faults: FaultPoints | None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._host_id = host_id
        self._executor_id = executor_id
        self._concurrency = concurrency
        self._retention_days = retention_days
        self._sweep_seconds = sweep_seconds
        self._locks = LockHolder(database_url)
        self._durable = DurableWorker(database_url, host_id, version=version)
        self._takeover = Takeover(database, queue, self._locks, host_id, executor_id=executor_id, version=version)
        self._workflow = OperationWorkflow(kinds, database, StepRunner(budgets, patience=patience, faults=faults))
        self._working: set[asyncio.Task[None]] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._care: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self) -> None:
        """Takes the executor's lock, then begins to claim and to look after what was left."""
        if not await self._locks.hold(lock_name(self._executor_id)):
            raise InfinibayError(f"Another worker runs as {self._executor_id}.")
        await self._queue.declare(self._host_id, concurrency=self._concurrency)
        await self._durable.start(self._executor_id, self._run)
        self._care = {
            asyncio.create_task(self._sweep(), name="operation sweep"),
            asyncio.create_task(keep_tidy(self._database, self._queue, self._retention_days), name="retention"),
        }

    async def stop(self) -> None:
        """Interrupts what runs, without an end: another worker, or this one's successor, goes on with it."""
        self._stopping = True
        await _cancel(self._care)
        for task in self._working:
            task.cancel()
        # Those that are past their work still have their end recorded by the engine.
        if self._running:
            await asyncio.wait(self._running, timeout=_STOP_SECONDS)
        await self._durable.stop()
        await self._locks.close()

    async def _run(self, operation_id: str) -> None:
        task = asyncio.current_task()
        if self._stopping or task is None:
            raise asyncio.CancelledError
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        self._working.add(task)
        try:
            await self._workflow.run(operation_id)
        finally:
            self._working.discard(task)

    async def _sweep(self) -> None:
        while True:
            suspects = False
            try:
                # Taken again after a lost connection; held once more while it is not lost, which does no harm.
                if not await self._locks.hold(lock_name(self._executor_id)):
                    log.error("operation.executor_lock_lost", executor=self._executor_id)
                suspects = await self._takeover.sweep()
            except Unavailable as error:
                log.warning("operation.sweep_failed", error=error.message)
            await asyncio.sleep(GRACE_SECONDS if suspects else self._sweep_seconds)


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    waited = set(tasks)
    for task in waited:
        task.cancel()
    if waited:
        await asyncio.wait(waited)

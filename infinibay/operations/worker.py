"""The part of the engine that runs operations: claims, takeover, retention, and an orderly interruption."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from weakref import WeakValueDictionary

from infinibay.db.client import Database
from infinibay.db.locks import LockHolder
from infinibay.errors import DatabaseUnavailable, InfinibayError
from infinibay.log import get_logger
from infinibay.operations.api import FaultPoints, OperationKind
from infinibay.operations.bell import Bell
from infinibay.operations.durable import DurableQueue, DurableWorker
from infinibay.operations.retention import keep_tidy
from infinibay.operations.steps import StepRunner
from infinibay.operations.takeover import GRACE_SECONDS, Takeover, lock_name
from infinibay.operations.workflow import OperationWorkflow

log = get_logger(__name__)
_STOP_SECONDS = 10.0
# Well below the time of grace after which siblings take over.
_NAME_AGAIN_SECONDS = 0.2
# A look takes milliseconds; one that is never answered must not be the last.
_SWEEP_SECONDS = 60.0


class OperationWorker:
    """Runs the operations of one host in this process's event loop."""

    def __init__(
        self,
        kinds: Mapping[str, OperationKind],
        database: Database,
        database_url: str,
        queue: DurableQueue,
        bell: Bell,
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
        self._bell = bell
        self._host_id = host_id
        self._executor_id = executor_id
        self._retention_days = retention_days
        self._sweep_seconds = sweep_seconds
        self._name = LockHolder(database_url)
        self._looks = LockHolder(database_url)
        self._durable = DurableWorker(database_url, host_id, bell, version=version)
        self._takeover = Takeover(
            database,
            queue,
            self._looks,
            host_id,
            executor_id=executor_id,
            version=version,
            in_hand=self._in_hand,
        )
        runner = StepRunner(budgets, concurrency=concurrency, patience=patience, faults=faults)
        self._workflow = OperationWorkflow(kinds, database, runner)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._working: dict[asyncio.Task[None], str] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._care: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self) -> None:
        """Takes the executor's lock, then begins to claim and to look after what was left."""
        if not await self._name.hold(lock_name(self._executor_id)):
            raise InfinibayError(f"Another worker runs as {self._executor_id}.")
        await self._queue.declare(self._host_id)
        await self._durable.start(self._executor_id, self._run)
        self._care = {
            asyncio.create_task(self._keep_name(), name="executor lock"),
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
        await self._name.close()
        await self._looks.close()

    async def _run(self, operation_id: str) -> None:
        task = asyncio.current_task()
        if self._stopping or task is None:
            raise asyncio.CancelledError
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        self._working[task] = operation_id
        # When the engine hands it out again, the one that it was taken from ends first.
        turn = self._turns.setdefault(operation_id, asyncio.Lock())
        try:
            async with turn:
                await self._workflow.run(operation_id)
        finally:
            del self._working[task]
            # The one that waited behind it comes next.
            self._bell.stir()

    def _in_hand(self) -> Collection[str]:
        return set(self._working.values())

    async def _keep_name(self) -> None:
        """Takes the executor's name again whenever its connection was lost, before siblings think that it died."""
        while True:
            await self._name.lost()
            taken = False
            while not taken:
                await asyncio.sleep(_NAME_AGAIN_SECONDS)
                try:
                    taken = await self._name.hold(lock_name(self._executor_id))
                except DatabaseUnavailable:
                    continue
            log.info("operation.executor_lock_regained", executor=self._executor_id)

    async def _sweep(self) -> None:
        while True:
            suspects = False
            try:
                async with asyncio.timeout(_SWEEP_SECONDS):
                    suspects = await self._takeover.sweep()
            except DatabaseUnavailable as error:
                log.warning("operation.sweep_failed", error=error.message)
            except Exception:
                # Without its sweep a worker would never find what others left behind.
                log.exception("operation.sweep_failed")
            await asyncio.sleep(GRACE_SECONDS if suspects else self._sweep_seconds)


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    waited = set(tasks)
    for task in waited:
        task.cancel()
    if waited:
        await asyncio.wait(waited)

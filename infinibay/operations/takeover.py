"""Bringing back what nobody works on: committed but never enqueued, or claimed by a process that died.

A worker holds an advisory lock named after its executor id, which PostgreSQL frees when the process dies. An executor
whose lock stays free for a moment (a living one takes it again after a lost connection) is dead, and whoever sees that
gives its operations back to the queue.
"""

from __future__ import annotations

import time

from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.db.locks import LockHolder
from infinibay.db.rows import Operation
from infinibay.log import get_logger
from infinibay.operations.durable import DurableQueue, Work

log = get_logger(__name__)
GRACE_SECONDS = 1.0
_UNDER_WAY = frozenset({"ENQUEUED", "PENDING", "DELAYED"})


def partition_of(row: Operation) -> str:
    """The key within which operations run one at a time, in the order of arrival."""
    return row.machineId or row.departmentId or row.hostId


def lock_name(executor_id: str) -> str:
    return f"infinibay executor {executor_id}"


class Takeover:
    """Looks after the operations of one host."""

    def __init__(
        self,
        database: Database,
        queue: DurableQueue,
        locks: LockHolder,
        host_id: str,
        *,
        executor_id: str,
        version: str,
    ) -> None:
        self._database = database
        self._queue = queue
        self._locks = locks
        self._host_id = host_id
        self._executor_id = executor_id
        self._version = version
        self._missing_since: dict[str, float] = {}

    async def sweep(self) -> bool:
        """Looks once. True when an executor is suspected, so that the next look should come after `GRACE_SECONDS`."""
        await self._enqueue_forgotten()
        await self._take_over()
        await self._restart_lost()
        return bool(self._missing_since)

    async def _enqueue_forgotten(self) -> None:
        for row in await queries.not_enqueued(self._database, host_id=self._host_id):
            await self._queue.enqueue(row.id, host_id=row.hostId, partition=partition_of(row))
            await queries.set_enqueued(self._database, row.id)

    async def _take_over(self) -> None:
        claimed = [work for work in await self._queue.running(self._host_id) if work.executor_id != self._executor_id]
        dead = {executor for executor in {work.executor_id or "" for work in claimed} if await self._is_dead(executor)}
        self._missing_since = {
            executor: since
            for executor, since in self._missing_since.items()
            if executor not in dead and any(work.executor_id == executor for work in claimed)
        }
        for work in claimed:
            if (work.executor_id or "") in dead:
                log.warning("operation.taken_over", operation_id=work.operation_id, executor=work.executor_id)
                await self._give_back(work)

    async def _is_dead(self, executor_id: str) -> bool:
        if not await self._locks.is_free(lock_name(executor_id)):
            self._missing_since.pop(executor_id, None)
            return False
        since = self._missing_since.setdefault(executor_id, time.monotonic())
        return time.monotonic() - since >= GRACE_SECONDS

    async def _give_back(self, work: Work) -> None:
        if work.version == self._version:
            await self._queue.resume(work.operation_id, self._host_id)
        else:
            await self._start_over(work.operation_id)

    async def _restart_lost(self) -> None:
        """Operations that the engine lost, ended without their end, or holds for a version that is gone."""
        open_rows = await queries.unfinished(self._database, self._host_id)
        known = await self._queue.known([row.id for row in open_rows])
        for row in open_rows:
            work = known.get(row.id)
            if work is not None and not self._is_stuck(work):
                continue
            # It may have ended between the two looks.
            present = await queries.find(self._database, row.id)
            if present is not None and present.endedAt is None:
                log.error("operation.restarted", operation_id=row.id, engine_state=work.state if work else None)
                await self._start_over(row.id)

    def _is_stuck(self, work: Work) -> bool:
        waits_for_old_version = work.state == "ENQUEUED" and work.version not in (None, self._version)
        return work.state not in _UNDER_WAY or waits_for_old_version

    async def _start_over(self, operation_id: str) -> None:
        """Begins at the first step again, before what waits behind it; its row knows what to undo if it fails."""
        row = await queries.find(self._database, operation_id)
        await self._queue.forget([operation_id])
        if row is not None and row.endedAt is None:
            await self._queue.enqueue(row.id, host_id=row.hostId, partition=partition_of(row), first=True)

"""Bringing back what nobody works on: committed but never enqueued, claimed by a process that died, or lost.

A worker holds an advisory lock named after its executor id, which PostgreSQL frees when the process dies. An executor
whose lock stays free for a moment (a living one takes it again after a lost connection) is dead, and whoever sees that
gives its operations back to the queue. One worker of a host looks at a time: giving back twice would run a step twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.db.locks import LockHolder
from infinibay.db.rows import Operation
from infinibay.errors import InfinibayError
from infinibay.log import bound, get_logger
from infinibay.operations.durable import DurableQueue, Work
from infinibay.operations.ending import finish

log = get_logger(__name__)
# Longer than a living worker needs to take its lock again once the database is back.
GRACE_SECONDS = 3.0
_UNDER_WAY = frozenset({"ENQUEUED", "PENDING", "DELAYED"})
_BROKEN = "The durable engine broke the operation off."


def partition_of(row: Operation) -> str:
    """The key within which operations run one at a time, in the order of arrival."""
    return row.machineId or row.departmentId or row.hostId


def lock_name(executor_id: str) -> str:
    return f"infinibay executor {executor_id}"


class Suspects:
    """What each look found suspicious, and since when without a break."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def guilty(self, suspicious: Iterable[str]) -> set[str]:
        """Tells the result of one look; returns those that were suspicious for the whole time of grace."""
        now = time.monotonic()
        self._since = {key: self._since.get(key, now) for key in suspicious}
        return {key for key, since in self._since.items() if now - since >= GRACE_SECONDS}

    def __bool__(self) -> bool:
        return bool(self._since)


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
        in_hand: Callable[[], Collection[str]],
    ) -> None:
        """`in_hand` tells which operations this process works on; `locks` is used by nobody else."""
        self._database = database
        self._queue = queue
        self._locks = locks
        self._host_id = host_id
        self._executor_id = executor_id
        self._version = version
        self._in_hand = in_hand
        self._forget_suspects()

    async def sweep(self) -> bool:
        """Looks once, unless a sibling is looking. True when something is suspicious, so that the next look should
        come after `GRACE_SECONDS`. Raises DatabaseUnavailable."""
        turn = f"infinibay sweep {self._host_id}"
        try:
            if await self._locks.hold(turn):
                try:
                    await self._look()
                finally:
                    await self._locks.release(turn)
        except BaseException:
            # When the database was away, the living have lost their locks too and take them again now that it is back.
            self._forget_suspects()
            raise
        return any((self._executors, self._unattended, self._lost))

    def _forget_suspects(self) -> None:
        self._executors, self._unattended, self._lost = Suspects(), Suspects(), Suspects()

    async def _look(self) -> None:
        await self._enqueue_forgotten()
        claimed = await self._queue.running(self._host_id)
        await self._take_over([work for work in claimed if work.executor_id != self._executor_id])
        await self._claim_again([work for work in claimed if work.executor_id == self._executor_id])
        await self._restart_lost()

    async def _enqueue_forgotten(self) -> None:
        for row in await queries.not_enqueued(self._database, self._host_id):
            await self._queue.enqueue(row.id, host_id=row.hostId, partition=partition_of(row))
            await queries.set_enqueued(self._database, row.id)

    async def _take_over(self, claimed: list[Work]) -> None:
        executors = {work.executor_id or "" for work in claimed}
        dead = self._executors.guilty(
            [executor for executor in executors if await self._locks.is_free(lock_name(executor))]
        )
        for work in claimed:
            if (work.executor_id or "") in dead:
                log.warning("operation.taken_over", operation_id=work.operation_id, executor=work.executor_id)
                await self._give_back(work)

    async def _claim_again(self, claimed: list[Work]) -> None:
        """A connection that is lost at the moment of a claim leaves operations claimed of which this process never
        heard."""
        in_hand = self._in_hand()
        unattended = self._unattended.guilty(
            [work.operation_id for work in claimed if work.operation_id not in in_hand]
        )
        for work in claimed:
            if work.operation_id in unattended:
                log.warning("operation.claimed_again", operation_id=work.operation_id)
                await self._give_back(work)

    async def _give_back(self, work: Work) -> None:
        if work.version == self._version:
            await self._queue.resume(work.operation_id, self._host_id)
        else:
            await self._start_over(work.operation_id)

    async def _restart_lost(self) -> None:
        """Operations that the engine lost, ended without their end, or holds for a version that is gone."""
        open_rows = await queries.unfinished(self._database, self._host_id)
        known = await self._queue.known([row.id for row in open_rows])
        lost = self._lost.guilty([row.id for row in open_rows if self._is_lost(known.get(row.id))])
        for row in open_rows:
            # It may have ended between the two looks.
            if row.id in lost and await self._is_open(row.id):
                with bound(operation_id=row.id, machine_id=row.machineId):
                    await self._restart(row, known.get(row.id))

    async def _restart(self, row: Operation, work: Work | None) -> None:
        log.error("operation.restarted", engine_state=work.state if work else None)
        if work is not None and work.state not in _UNDER_WAY | {"SUCCESS"}:
            await self._break_off(row)
        else:
            await self._start_over(row.id)

    def _is_lost(self, work: Work | None) -> bool:
        if work is None or work.state not in _UNDER_WAY:
            return True
        return work.state == "ENQUEUED" and work.version not in (None, self._version)

    async def _is_open(self, operation_id: str) -> bool:
        row = await queries.find(self._database, operation_id)
        return row is not None and row.endedAt is None

    async def _break_off(self, row: Operation) -> None:
        """Lets it compensate, after an error outside of its steps; when that breaks off as well, it has ended."""
        if _BROKEN in row.log:
            await finish(self._database, row.id, row.kind)
            return
        await queries.append_log(self._database, row.id, _BROKEN)
        await queries.fail(
            self._database,
            row.id,
            step=row.step,
            code=InfinibayError.code,
            message=_BROKEN,
            remedy="Look for operation.restarted in the server's log.",
            cancelled=False,
        )
        await self._start_over(row.id)

    async def _start_over(self, operation_id: str) -> None:
        """Begins at the first step again, before what waits behind it; its row knows what to undo if it fails."""
        row = await queries.find(self._database, operation_id)
        await self._queue.forget([operation_id])
        if row is not None and row.endedAt is None:
            await self._queue.enqueue(row.id, host_id=row.hostId, partition=partition_of(row), first=True)

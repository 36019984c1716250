"""Interactive transactions: commit at the end of the block, roll back on an exception."""

# ruff: noqa: SLF001 - a transaction is a part of the client, in a file of its own.

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import orjson
from prisma._types import TransactionId

from infinibay.db.failures import CLIENT_ERRORS, translated
from infinibay.errors import InfinibayError
from infinibay.log import get_logger

if TYPE_CHECKING:
    from infinibay.db.client import Database

log = get_logger(__name__)

IsolationLevel = Literal["ReadUncommitted", "ReadCommitted", "RepeatableRead", "Serializable"]

TIMEOUT = timedelta(seconds=5)
# As long as the pool's own limit for single queries: with fifty requests at once each waits for its turn.
MAX_WAIT = timedelta(seconds=10)


class Transaction:
    """One transaction; entering it gives the client whose queries belong to it."""

    def __init__(
        self, db: Database, *, timeout: timedelta, max_wait: timedelta, isolation_level: IsolationLevel | None
    ) -> None:
        self._db = db
        options: dict[str, object] = {"timeout": _milliseconds(timeout), "max_wait": _milliseconds(max_wait)}
        if isolation_level is not None:
            options["isolation_level"] = isolation_level
        self._options = orjson.dumps(options).decode()
        self._tx: Database | None = None

    async def __aenter__(self) -> Database:
        # Whoever waits may be cancelled, but the engine goes on: what it started then must be rolled back.
        starting = asyncio.ensure_future(self._start())
        try:
            self._tx = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_roll_back_started)
            raise
        return self._tx

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        tx = self._entered()
        ending = _background(_commit(tx) if exc is None else _roll_back(tx))
        await asyncio.shield(ending)

    def _entered(self) -> Database:
        if self._tx is None:
            raise RuntimeError("A transaction was left before it was entered.")
        return self._tx

    async def _start(self) -> Database:
        with translated():
            identity = await self._db._engine.start_transaction(content=self._options)
        tx = self._db._copy()
        tx._tx_id = TransactionId(identity)
        return tx


class Joined:
    """A block inside a transaction's block: the outer one commits."""

    def __init__(self, tx: Database) -> None:
        self._tx = tx

    async def __aenter__(self) -> Database:
        return self._tx

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        return None


async def _commit(tx: Database) -> None:
    with translated():
        await tx._engine.commit_transaction(_identity(tx))
    await tx.hooks.committed(tx._created)


async def _roll_back(tx: Database) -> None:
    try:
        await tx._engine.rollback_transaction(_identity(tx))
    except (*CLIENT_ERRORS, InfinibayError) as error:
        # The block's own exception tells what happened; the engine rolls back what is not committed in any case.
        log.debug("db.rollback_failed", reason=type(error).__name__)


def _roll_back_started(starting: asyncio.Future[Database]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        _background(_roll_back(starting.result()))


def _identity(tx: Database) -> TransactionId:
    if tx._tx_id is None:
        raise RuntimeError("This client is not a transaction's.")
    return tx._tx_id


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


_tasks: set[asyncio.Task[Any]] = set()


def _background(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that runs to its end even when nobody waits for it any more."""
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task

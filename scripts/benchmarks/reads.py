"""find_unique through the typed client and its engine, against psycopg on the same row with as many connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg.rows import DictRow, dict_row

from infinibay.db.client import Database, EngineOptions
from scripts.benchmarks.figures import Row, Stat
from scripts.benchmarks.subject import Watched

_SINGLE = 400
_AT_ONCE = 50
_WAVES = 30
_READS_EACH = 6
# As many as the engine opens by itself on two processors, set for both so that the host does not matter.
_CONNECTIONS = 5
_FACTOR = 8
_RATE = 1000

Read = Callable[[], Awaitable[None]]


async def measure(product: Watched, user_id: str) -> list[Row]:
    """Single reads in turn, then waves of 50 readers in turn."""
    async with _ours(product.database_url, user_id) as ours, _raw(product.database_url, user_id) as raw:
        for read in (ours, raw):
            await _wave(read)
        single: dict[Read, list[float]] = {ours: [], raw: []}
        for _ in range(_SINGLE):
            for read, times in single.items():
                times.append(await _timed(read))
        waves: dict[Read, list[float]] = {ours: [], raw: []}
        for _ in range(_WAVES):
            for read, times in waves.items():
                times.append(await _wave(read))
    return _rows(single[ours], single[raw], waves[ours], waves[raw])


def _rows(ours: list[float], raw: list[float], our_waves: list[float], raw_waves: list[float]) -> list[Row]:
    at_once, at_once_raw = Stat.of(our_waves), Stat.of(raw_waves)
    rates = [Stat.of([1000 / value for value in waves]) for waves in (our_waves, raw_waves)]
    return [
        Row("find_unique, one after the other", "ms", Stat.of(ours), Stat.of(raw)),
        Row(
            f"find_unique, {_AT_ONCE} at once, per read",
            "ms",
            at_once,
            at_once_raw,
            f"<= {_FACTOR} x",
            at_once.median <= _FACTOR * at_once_raw.median,
        ),
        Row(
            f"find_unique, {_AT_ONCE} at once, rate",
            "1/s",
            rates[0],
            rates[1],
            f">= {_RATE}/s",
            rates[0].median >= _RATE,
        ),
    ]


async def _timed(read: Read) -> float:
    began = time.perf_counter()
    await read()
    return (time.perf_counter() - began) * 1000


async def _wave(read: Read) -> float:
    """Milliseconds per read while 50 readers read one after the other each."""

    async def reader() -> None:
        for _ in range(_READS_EACH):
            await read()

    began = time.perf_counter()
    await asyncio.gather(*(reader() for _ in range(_AT_ONCE)))
    return (time.perf_counter() - began) * 1000 / (_AT_ONCE * _READS_EACH)


@asynccontextmanager
async def _ours(url: str, user_id: str) -> AsyncIterator[Read]:
    with TemporaryDirectory() as run_dir:
        database = Database(f"{url}&connection_limit={_CONNECTIONS}", engine=EngineOptions(Path(run_dir)))
        await database.connect()

        async def read() -> None:
            if await database.user.find_unique(where={"id": user_id}) is None:
                raise RuntimeError("the row is not there")

        try:
            yield read
        finally:
            await database.disconnect()


@asynccontextmanager
async def _raw(url: str, user_id: str) -> AsyncIterator[Read]:
    free: asyncio.LifoQueue[psycopg.AsyncConnection[DictRow]] = asyncio.LifoQueue()
    async with AsyncExitStack() as stack:
        for _ in range(_CONNECTIONS):
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=dict_row)
            free.put_nowait(await stack.enter_async_context(connection))

        async def read() -> None:
            connection = await free.get()
            try:
                cursor = await connection.execute("SELECT * FROM users WHERE id = %s", [user_id])
                if await cursor.fetchone() is None:
                    raise RuntimeError("the row is not there")
            finally:
                free.put_nowait(connection)

        yield read

"""The table of events: numbered in the order of commits, announced, never changed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import psycopg
import pytest
from psycopg import AsyncConnection

from infinibay.db.events import CHANNEL
from infinibay.db.notifications import RESYNC, Listener, Notice
from tests.support.databases import execute
from tests.support.wait import until

INSERT = b"INSERT INTO events (kind) VALUES (%s) RETURNING seq"


async def append(connection: AsyncConnection, kind: str) -> int:
    row = await (await connection.execute(INSERT, [kind])).fetchone()
    assert row is not None
    return int(row[0])


async def kinds(url: str, after: int = 0) -> list[str]:
    async with await AsyncConnection.connect(url) as connection:
        found = await connection.execute("SELECT kind FROM events WHERE seq > %s ORDER BY seq", [after])
        return [kind async for (kind,) in found]


async def test_a_transaction_numbers_only_after_earlier_ones_have_ended(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(await AsyncConnection.connect(database_url))
        second = await stack.enter_async_context(await AsyncConnection.connect(database_url))
        lower = await append(first, "first")
        waiting = asyncio.create_task(append(second, "second"))
        await until(lambda: _is_waiting(database_url), what="the second insert waiting for the first")
        await first.commit()
        higher = await waiting
        await second.commit()
    assert lower < higher
    assert await kinds(database_url) == ["first", "second"]


def _is_waiting(url: str) -> bool:
    with psycopg.connect(url) as connection:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^INSERT'"
        return connection.execute(waiting).fetchone() is not None


async def test_readers_with_a_cursor_miss_nothing(database_url: str) -> None:
    """Many writers, some of which roll back; a reader that goes on from the highest seq sees each event once."""
    writers, each = 8, 25

    async def write(writer: int) -> None:
        async with await AsyncConnection.connect(database_url) as connection:
            for number in range(each):
                await append(connection, f"{writer}-{number}")
                await (connection.rollback() if number % 5 == 4 else connection.commit())

    async def read(seen: list[str], done: asyncio.Event) -> None:
        cursor = 0
        async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
            ended = False
            while not ended:
                ended = done.is_set()
                found = await connection.execute("SELECT seq, kind FROM events WHERE seq > %s ORDER BY seq", [cursor])
                async for seq, kind in found:
                    cursor = seq
                    seen.append(kind)

    seen: list[str] = []
    done = asyncio.Event()
    reader = asyncio.create_task(read(seen, done))
    await asyncio.gather(*(write(number) for number in range(writers)))
    done.set()
    await reader
    assert seen == await kinds(database_url)
    assert len(seen) == writers * each * 4 // 5


async def test_each_event_is_announced_after_its_commit(database_url: str) -> None:
    listener = Listener(database_url, CHANNEL)
    try:
        assert await anext(listener) is RESYNC
        async with await AsyncConnection.connect(database_url) as connection:
            await append(connection, "rolled back")
            await connection.rollback()
            first, second = await append(connection, "a"), await append(connection, "b")
            await connection.commit()
        notices = [await anext(listener), await anext(listener)]
        assert notices == [Notice(CHANNEL, str(first)), Notice(CHANNEL, str(second))]
    finally:
        await listener.close()


async def test_a_given_seq_does_not_count(database_url: str) -> None:
    await execute(database_url, "INSERT INTO events (seq, kind) VALUES (99999, 'forged')")
    async with await AsyncConnection.connect(database_url) as connection:
        assert await append(connection, "next") < 99999
    assert await kinds(database_url) == ["forged", "next"]


async def test_events_are_never_changed_and_may_be_deleted(database_url: str) -> None:
    await execute(database_url, "INSERT INTO events (kind) VALUES ('old')")
    with pytest.raises(psycopg.errors.RestrictViolation, match="events are append-only"):
        await execute(database_url, "UPDATE events SET kind = 'new'")
    assert await kinds(database_url) == ["old"]
    await execute(database_url, "DELETE FROM events")
    assert await kinds(database_url) == []

"""The listener: what it yields, that it comes back, that memory does not grow, that it ends."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from infinibay.db.notifications import RESYNC, Listener, Notice
from tests.support.databases import execute
from tests.support.wait import until

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'infinibay listen%'"


@pytest.fixture
def channel() -> str:
    return 'a "strange" channel'


def notify(channel: str, payload: str) -> str:
    return f"SELECT pg_notify('{channel}', '{payload}')"


async def test_yields_payloads_after_the_first_marker(database_url: str, channel: str) -> None:
    listener = Listener(database_url, channel)
    try:
        assert await anext(listener) is RESYNC
        await execute(database_url, notify(channel, "1"), notify("other", "x"), notify(channel, "2"))
        assert [await anext(listener), await anext(listener)] == [Notice(channel, "1"), Notice(channel, "2")]
    finally:
        await listener.close()


async def test_one_connection_serves_several_channels(database_url: str) -> None:
    listener = Listener(database_url, "one", "two")
    try:
        assert await anext(listener) is RESYNC
        await execute(database_url, notify("two", "2"), notify("one", "1"), notify("three", "3"), notify("two", "4"))
        notices = [await anext(listener) for _ in range(3)]
        assert notices == [Notice("two", "2"), Notice("one", "1"), Notice("two", "4")]
    finally:
        await listener.close()


async def test_heals_and_says_that_something_may_be_missing(database_url: str, channel: str) -> None:
    listener = Listener(database_url, channel)
    try:
        assert await anext(listener) is RESYNC
        await execute(database_url, CUT)
        assert await anext(listener) is RESYNC
        await execute(database_url, notify(channel, "after"))
        assert await anext(listener) == Notice(channel, "after")
    finally:
        await listener.close()


async def test_waits_for_a_database_that_comes_later(database_url: str, channel: str) -> None:
    name = urlsplit(database_url).path[1:]
    await execute(database_url, f"ALTER DATABASE {name} CONNECTION LIMIT 0", "CREATE ROLE later LOGIN")
    listener = Listener(database_url.replace("postgres@", "later@"), channel)
    try:
        first = asyncio.create_task(anext(listener))
        await execute(database_url, f"ALTER DATABASE {name} CONNECTION LIMIT -1")
        assert await first is RESYNC
    finally:
        await listener.close()
        await execute(database_url, CUT, "DROP ROLE later")


async def test_slow_reader_gets_a_marker_instead_of_a_pile(database_url: str, channel: str) -> None:
    listener = Listener(database_url, channel)
    try:
        assert await anext(listener) is RESYNC
        await execute(database_url, f"SELECT pg_notify('{channel}', n::text) FROM generate_series(1, 2500) n")
        await execute(database_url, notify(channel, "last"))
        await until(
            lambda: listener._queue and listener._queue[-1] == Notice(channel, "last"), what="the last notification"
        )
        assert len(listener._queue) <= 1000
        assert await anext(listener) is RESYNC
    finally:
        await listener.close()


async def test_close_ends_the_iteration_and_the_connection(database_url: str, channel: str) -> None:
    listener = Listener(database_url, channel)
    seen: list[object] = []

    async def read() -> None:
        seen.extend([item async for item in listener])

    reader = asyncio.create_task(read())
    await until(lambda: listener._task is not None)
    await listener.close()
    await asyncio.wait_for(reader, 5)
    with pytest.raises(StopAsyncIteration):
        await anext(listener)
    assert seen in ([], [RESYNC])


async def test_reader_that_is_cancelled_loses_nothing(database_url: str, channel: str) -> None:
    listener = Listener(database_url, channel)
    try:
        assert await anext(listener) is RESYNC
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(listener), 0.01)
        await execute(database_url, notify(channel, "kept"))
        assert await anext(listener) == Notice(channel, "kept")
    finally:
        await listener.close()

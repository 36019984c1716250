"""Advisory locks that tell whether their holder lives."""

from __future__ import annotations

import asyncio
import os
import signal

import psycopg
import pytest

from infinibay.db import locks
from infinibay.db.locks import LockHolder, try_lock
from infinibay.errors import DatabaseUnavailable
from tests.support.databases import execute
from tests.support.wait import until

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'infinibay lock'"


def advisory_locks(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    return 0 if row is None else int(row[0])


async def test_one_of_many_gets_the_name(database_url: str) -> None:
    holders = [LockHolder(database_url) for _ in range(5)]
    try:
        assert sorted(await asyncio.gather(*(holder.hold("executor-1") for holder in holders))) == [False] * 4 + [True]
        assert await holders[0].hold("executor-2")
    finally:
        for holder in holders:
            await holder.close()


async def test_names_taken_at_once_are_all_held(database_url: str) -> None:
    holder = LockHolder(database_url)
    try:
        assert await asyncio.gather(*(holder.hold(f"key-{number}") for number in range(5))) == [True] * 5
        assert advisory_locks(database_url) == 5
    finally:
        await holder.close()
    await until(lambda: advisory_locks(database_url) == 0)


async def test_freedom_is_seen_without_taking(database_url: str) -> None:
    holder, observer = LockHolder(database_url), LockHolder(database_url)
    try:
        assert await observer.is_free("a")
        assert await observer.is_free("a")
        assert await holder.hold("a")
        assert not await observer.is_free("a")
        assert not await holder.is_free("a")
        assert await observer.is_free("b")
        await holder.release("a")
        assert await observer.is_free("a")
    finally:
        await holder.close()
        await observer.close()


async def test_other_databases_do_not_matter(database_url: str, postgres_url: str) -> None:
    here, there = LockHolder(database_url), LockHolder(postgres_url)
    try:
        assert await here.hold("a")
        assert await there.is_free("a")
    finally:
        await here.close()
        await there.close()


async def test_a_connection_that_stands_still_is_given_up(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = LockHolder(database_url)
    try:
        assert await holder.hold("a")
        with psycopg.connect(database_url) as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE application_name = 'infinibay lock' AND datname = current_database()"
            )
            ((backend,),) = found.fetchall()
        os.kill(backend, signal.SIGSTOP)
        monkeypatch.setattr(locks, "_ANSWER_SECONDS", 0.5)
        with pytest.raises(DatabaseUnavailable, match=r"it does not answer$"):
            await holder.hold("b")
        os.kill(backend, signal.SIGCONT)
        monkeypatch.undo()
        await until(lambda: advisory_locks(database_url) == 0)
        assert await holder.hold("a")
    finally:
        await holder.close()


async def test_the_loss_of_the_connection_ends_the_wait_for_it(database_url: str) -> None:
    holder = LockHolder(database_url)
    try:
        await holder.lost()
        assert await holder.hold("a")
        waiting = asyncio.create_task(holder.lost())
        await until(lambda: advisory_locks(database_url) == 1)
        assert not waiting.done()
        await execute(database_url, CUT)
        await asyncio.wait_for(waiting, 10)
        assert await holder.hold("a")
    finally:
        await holder.close()


async def test_lost_connection_frees_the_name_and_is_told(database_url: str) -> None:
    holder, observer = LockHolder(database_url), LockHolder(database_url)
    try:
        assert await holder.hold("a")
        await execute(database_url, CUT)
        await until(lambda: advisory_locks(database_url) == 0, what="the freed name")
        assert await observer.is_free("a")
        with pytest.raises(DatabaseUnavailable, match=r"^The connection that holds the locks was lost"):
            await holder.hold("a")
        assert await holder.hold("a")
        assert not await observer.is_free("a")
    finally:
        await holder.close()
        await observer.close()


async def test_block_frees_the_name(database_url: str) -> None:
    async with try_lock(database_url, "sweep") as mine, try_lock(database_url, "sweep") as other:
        assert (mine, other) == (True, False)
    async with try_lock(database_url, "sweep") as again:
        assert again
    await until(lambda: advisory_locks(database_url) == 0, what="the freed name")


async def test_no_database_is_unavailable() -> None:
    holder = LockHolder("postgresql://postgres@localhost:5432/x?host=/nowhere")
    with pytest.raises(DatabaseUnavailable, match=r"^The database does not answer") as error:
        await holder.hold("a")
    assert isinstance(error.value.__cause__, psycopg.OperationalError)

"""The product's client: errors, transactions, texts, and an engine that dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from infinibay.db import rows
from infinibay.db.client import Database, EngineOptions
from infinibay.db.engine import socket_engine
from infinibay.db.engine.paths import EXECUTABLE, PROJECT_ROOT
from infinibay.db.engine.socket_engine import SocketEngine
from infinibay.errors import DatabaseError, DatabaseUnavailable, UniqueViolation
from tests.support.databases import with_database
from tests.support.wait import until

ABSENT = "00000000-0000-0000-0000-000000000000"


def engine_of(db: Database) -> SocketEngine:
    engine = db._engine
    assert isinstance(engine, SocketEngine)
    return engine


def pid_of(db: Database) -> int:
    pid = engine_of(db).pid
    assert pid is not None
    return pid


async def kill_and_await_another(db: Database) -> None:
    """Kills the engine and waits for the next one's process."""
    pid = pid_of(db)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: engine_of(db).pid not in (None, pid))


async def department(db: Database, name: str) -> rows.Department:
    return await db.department.create({"name": name, "nameKey": name.casefold()})


async def test_rows(database: Database) -> None:
    made = await department(database, "Sales")
    assert isinstance(made, rows.Department)
    changed = await database.department.update(where={"id": made.id}, data={"name": "Sold"})
    assert changed is not None
    assert changed.name == "Sold"
    assert await database.department.update(where={"id": ABSENT}, data={"name": "x"}) is None
    assert await database.department.delete(where={"id": ABSENT}) is None


async def test_unique_violation(database: Database) -> None:
    await department(database, "Secret name")
    with pytest.raises(UniqueViolation) as raised:
        await department(database, "Secret name")
    assert raised.value.fields == ("name_key",)
    assert raised.value.message == "The value of name_key is already taken."


async def test_messages_hold_no_values(database: Database) -> None:
    await department(database, "hidden")
    with pytest.raises(DatabaseError) as raised:
        await database.execute_raw("INSERT INTO departments (name, name_key) VALUES ('hidden', 'hidden')")
    assert raised.value.message == "The database refused a statement (P2010 23505)."
    with pytest.raises(DatabaseError) as checked:
        await department(database, "x" * 10_000)
    assert checked.value.message == "The database refused a statement (23514 departments_name_check)."
    with pytest.raises(DatabaseError) as missing:
        await database.department.find_unique_or_raise(where={"nameKey": "nothing"})
    assert missing.value.message == "The database refused a statement (P2025)."


async def test_batch_errors_are_ours(database: Database) -> None:
    with pytest.raises(UniqueViolation):
        async with database.batch_() as batch:
            batch.department.create({"name": "A", "nameKey": "a"})
            batch.department.create({"name": "A", "nameKey": "a"})
    assert await database.department.count() == 0


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\x85b", "a\x1cb", "a\nb", "\u2028", "'\"\\<>😀" * 1000])
async def test_texts_come_back_as_they_were(database: Database, text: str) -> None:
    made = await database.setting.create({"key": text, "value": rows.Json([text])})
    found = await database.setting.find_first(where={"AND": [{"OR": [{"key": text}]}]})
    assert found is not None
    value: object = found.value
    assert (made.key, found.key, value) == (text, text, [text])


@pytest.mark.parametrize("text", ["a\ud800b", "a\x00b"])
async def test_texts_that_cannot_be_stored(database: Database, text: str) -> None:
    with pytest.raises(DatabaseError):
        await department(database, text)
    await database.ping()


async def test_transaction(database: Database) -> None:
    async with database.tx(isolation_level="RepeatableRead") as tx:
        await department(tx, "A")
        assert await tx.query_raw("SHOW transaction_isolation") == [{"transaction_isolation": "repeatable read"}]
        assert await database.department.count() == 0
    assert await database.department.count() == 1


async def test_transaction_inside_a_transaction_joins_it(database: Database) -> None:
    with pytest.raises(KeyError):
        async with database.tx() as outer:
            async with outer.tx() as inner:
                assert inner is outer
                await department(inner, "A")
            raise KeyError
    assert await database.department.count() == 0


async def test_failed_commit_is_an_error(database: Database) -> None:
    await database.execute_raw("CREATE TABLE late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(UniqueViolation):
        async with database.tx() as tx:
            await tx.execute_raw("INSERT INTO late VALUES (1), (1)")
    assert await database.query_raw("SELECT * FROM late") == []


async def test_expired_transaction(database: Database) -> None:
    with pytest.raises(DatabaseError, match="took too long"):
        async with database.tx(timeout=timedelta(milliseconds=50)) as tx:
            await tx.query_raw("SELECT pg_sleep(0.2)::text")
            await department(tx, "A")
    assert await database.department.count() == 0


async def test_no_connection_in_time(database_url: str, tmp_path: Path) -> None:
    url = f"{database_url}{'&' if '?' in database_url else '?'}connection_limit=1"
    db = Database(url, engine=EngineOptions(tmp_path))
    await db.connect()
    async with db.tx():
        with pytest.raises(DatabaseUnavailable, match="no connection free"):
            async with db.tx(max_wait=timedelta(milliseconds=50)):
                pass
    await db.ping()
    await db.disconnect()


async def test_cancelled_transaction_is_rolled_back(database: Database) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with database.tx(timeout=timedelta(minutes=1)) as tx:
            await department(tx, "A")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await open_transactions(database) == 0
    assert await database.department.count() == 0


async def test_cancelled_while_it_begins(database: Database) -> None:
    async def work() -> None:
        async with database.tx(timeout=timedelta(minutes=1)):
            await asyncio.Event().wait()

    tasks = [asyncio.ensure_future(work()) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    async def none_open() -> Any:
        return await open_transactions(database) == 0

    assert await until(none_open) is True


async def open_transactions(database: Database) -> int:
    """Transactions of others that are open on this database."""
    [row] = await database.query_raw(
        "SELECT count(*) AS n FROM pg_stat_activity"
        " WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()"
    )
    number: int = row["n"]
    return number


async def test_many_at_once(database: Database) -> None:
    await asyncio.gather(*(department(database, f"D{number}") for number in range(100)))
    counts = await asyncio.gather(*(database.department.count() for _ in range(300)))
    assert set(counts) == {100}


async def test_killed_engine(database: Database) -> None:
    pid = pid_of(database)
    running = [asyncio.ensure_future(database.query_raw("SELECT pg_sleep(30)::text")) for _ in range(3)]

    async def all_run() -> Any:
        rows = await database.query_raw("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)::text'")
        return len(rows) == 3

    assert await until(all_run) is True
    os.kill(pid, signal.SIGKILL)
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 3
    assert {str(outcome) for outcome in outcomes} == {"The database engine stopped while it worked on this; try again."}
    await department(database, "after")
    assert pid_of(database) != pid
    assert not psutil.pid_exists(pid)


@pytest.fixture
async def impatient(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """One that waits 2 s for an answer, as long as its first engine lives."""
    db = Database(database_url, engine=EngineOptions(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(socket_engine, "_ANSWER_SECONDS", 2)
        await db.connect()
    yield db
    await db.disconnect()


async def test_an_engine_that_stands_still_is_replaced(impatient: Database) -> None:
    pid = pid_of(impatient)
    os.kill(pid, signal.SIGSTOP)

    with pytest.raises(DatabaseUnavailable, match=r"^The database did not answer within 2 s; try again\.$"):
        await impatient.ping()

    await until(lambda: engine_of(impatient).pid not in (None, pid))
    await impatient.ping()
    assert not psutil.pid_exists(pid)


async def test_an_engine_that_answers_others_stays(impatient: Database) -> None:
    pid = pid_of(impatient)
    slow = asyncio.ensure_future(impatient.query_raw("SELECT pg_sleep(5)::text"))

    async def runs() -> bool:
        found = await impatient.query_raw("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(5)::text'")
        return bool(found)

    assert await until(runs) is True
    with pytest.raises(DatabaseUnavailable, match="did not answer"):
        await slow
    await impatient.ping()
    assert pid_of(impatient) == pid


async def test_engine_killed_inside_a_transaction(database: Database) -> None:
    with pytest.raises(DatabaseError, match="no longer open"):
        async with database.tx(timeout=timedelta(minutes=1)) as tx:
            await department(tx, "A")
            await kill_and_await_another(database)
            await department(tx, "B")
    assert await database.department.count() == 0


async def test_engine_killed_again_and_again(database: Database) -> None:
    for _ in range(3):
        await kill_and_await_another(database)
        await database.ping()
    names = [child.name() for child in psutil.Process().children()]
    assert names.count("node") <= 2  # This one's and perhaps the session's.


async def test_nothing_is_left_after_disconnecting(database_url: str, tmp_path: Path) -> None:
    process = psutil.Process()
    before = (process.num_fds(), {child.pid for child in process.children()})
    for _ in range(3):
        db = Database(database_url, engine=EngineOptions(tmp_path))
        await db.connect()
        await db.ping()
        await db.disconnect()
    assert (process.num_fds(), {child.pid for child in process.children()}) == before
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []
    with pytest.raises(DatabaseUnavailable):
        await db.ping()


async def test_socket_is_private_and_may_have_a_long_folder(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    db = Database(database_url, engine=EngineOptions(folder))
    await db.connect()
    socket = engine_of(db).socket
    assert socket is not None
    assert socket.stat().st_mode & 0o777 == 0o600
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    await db.disconnect()
    assert not socket.parent.exists()


async def test_no_database(postgres_url: str, tmp_path: Path) -> None:
    children = len(psutil.Process().children())
    for url in ("postgresql://postgres@localhost/x?host=/nonexistent", with_database(postgres_url, "missing")):
        with pytest.raises(DatabaseUnavailable):
            await Database(url, engine=EngineOptions(tmp_path)).connect()
    assert len(psutil.Process().children()) == children


async def test_native_engine_over_http(database_url: str, tmp_path: Path) -> None:
    """The drop-in stands for a native engine, which cannot be had here."""
    db = Database(database_url, engine=EngineOptions(tmp_path, binary=EXECUTABLE))
    await db.connect()
    await department(db, "A")
    with pytest.raises(UniqueViolation):
        await department(db, "A")
    async with db.tx(isolation_level="Serializable") as tx:
        await department(tx, "B")
    process = db._engine.process  # type: ignore[attr-defined]
    running = asyncio.ensure_future(db.query_raw("SELECT pg_sleep(30)::text"))

    async def runs() -> Any:
        found = await db.query_raw("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)::text'")
        return len(found) == 1

    assert await until(runs) is True
    process.kill()
    with pytest.raises(DatabaseUnavailable, match="stopped while it worked"):
        await running
    assert sorted(row.name for row in await db.department.find_many()) == ["A", "B"]
    later = db._engine.process  # type: ignore[attr-defined]
    await db.disconnect()
    assert later.returncode == 0
    assert not psutil.pid_exists(process.pid)


async def test_a_native_engine_ends_with_the_process_that_runs_it(database_url: str, tmp_path: Path) -> None:
    """Unlike the drop-in it does not look after its parent, as this one does not."""
    native = tmp_path / "native"
    native.write_text(f'#!/bin/sh\necho $$ > {tmp_path}/pid\n{EXECUTABLE} "$@" &\ntrap "kill $!" TERM\nwait\n')
    native.chmod(0o755)
    program = (
        "import asyncio, os, signal\n"
        "from pathlib import Path\n"
        "from infinibay.db.client import Database, EngineOptions\n"
        f"options = EngineOptions(Path({str(tmp_path)!r}), binary=Path({str(native)!r}))\n"
        f"asyncio.run(Database({database_url!r}, engine=options).connect())\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=PROJECT_ROOT)
    assert await ran.wait() == -signal.SIGKILL
    engine = int((tmp_path / "pid").read_text())
    await until(lambda: not psutil.pid_exists(engine), 10, "the engine's end")

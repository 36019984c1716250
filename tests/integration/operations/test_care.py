"""What a worker looks after: claims that went astray, errors of the engine, retention; and what its tables hold."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from dbos._sys_db import SystemDatabase
from psycopg import sql
from structlog.testing import capture_logs

from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.db.locks import LockHolder
from infinibay.db.rows import MachineStatus, OperationState
from infinibay.errors import DatabaseUnavailable, InfinibayError, WrongState
from infinibay.operations import durable, worker
from infinibay.operations.api import OperationKind, Step, StepContext
from infinibay.operations.durable import DurableQueue
from infinibay.operations.retention import purge
from tests.integration.operations.conftest import EngineMaker
from tests.integration.operations.support import Gate, Journal, new
from tests.support.databases import execute, fresh_database
from tests.support.wait import until

SECONDS = 30


async def query(url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode(), values)
        return await cursor.fetchall()


async def engine_rows(url: str, text: str) -> list[str]:
    """The tables of the durable engine that have a row in which the text occurs."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'dbos' ORDER BY 1"
        )
        found = []
        for (name,) in await cursor.fetchall():
            statement = sql.SQL("SELECT count(*) FROM dbos.{} AS row WHERE position(%s IN row::text) > 0")
            counted = await connection.execute(statement.format(sql.Identifier(name)), [text])
            if await counted.fetchone() != (0,):
                found.append(name)
        return found


async def test_a_claim_that_the_worker_never_heard_of_is_given_back(
    database_url: str, engine_of: EngineMaker, host_id: str
) -> None:
    """As after a connection that is lost when PostgreSQL has committed the claim and not yet said so."""
    journal, gate = Journal(), Gate()
    engine = await engine_of(
        OperationKind("hold", (gate.step,)), journal.kind(journal.step("a")), executor_id="me", sweep_seconds=0.2
    )
    first = await engine.request(new("hold", host_id))
    second = await engine.request(new("work", host_id, machine_id=first.machineId))
    await until(lambda: gate.entered == 1)
    claimed = await query(
        database_url,
        "UPDATE dbos.workflow_status SET status = 'PENDING', executor_id = 'me', owner_xid = 'lost',"
        " application_version = (SELECT application_version FROM dbos.workflow_status WHERE workflow_uuid = %s)"
        " WHERE workflow_uuid = %s AND status = 'ENQUEUED' RETURNING workflow_uuid",
        first.id,
        second.id,
    )
    assert claimed == [(second.id,)]
    gate.open()

    assert (await engine.wait(first.id, SECONDS)).state == OperationState.SUCCEEDED
    assert (await engine.wait(second.id, SECONDS)).state == OperationState.SUCCEEDED
    assert journal.lines == ["a", "ended"]
    assert gate.entered == 1


async def test_a_record_that_is_never_read_does_not_keep_its_operation(
    engine_of: EngineMaker, host_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, asked, answered = Journal(), threading.Event(), threading.Event()
    read = SystemDatabase.check_operation_execution

    def unanswered(*args: Any, **options: Any) -> Any:
        if not asked.is_set():
            asked.set()
            answered.wait()
        return read(*args, **options)

    monkeypatch.setattr(SystemDatabase, "check_operation_execution", unanswered)
    monkeypatch.setattr(durable, "_RECORD_SECONDS", 0.5)
    engine = await engine_of(journal.kind(journal.step("a")), sweep_seconds=0.2)
    row = await engine.request(new("work", host_id))
    try:
        with capture_logs() as lines:
            assert (await engine.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED
    finally:
        answered.set()
    assert journal.lines == ["a", "ended"]
    (told,) = [line for line in lines if line["event"] == "operation.record_given_up"]
    assert told["step"] == "a"
    assert any("unanswered" in stack for stack in told["threads"].values())


async def test_a_record_that_is_never_written_does_not_keep_its_operation(
    engine_of: EngineMaker, host_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step comes again, as after a death right after its effect; the late writer is not heard any more."""
    journal, asked, answered = Journal(), threading.Event(), threading.Event()
    write = SystemDatabase.record_operation_result

    def unanswered(database: SystemDatabase, result: Any, *args: Any, **options: Any) -> Any:
        if result["function_name"] == "a" and not asked.is_set():
            asked.set()
            answered.wait()
        return write(database, result, *args, **options)

    monkeypatch.setattr(SystemDatabase, "record_operation_result", unanswered)
    monkeypatch.setattr(durable, "_RECORD_SECONDS", 0.5)
    engine = await engine_of(journal.kind(journal.step("a")), sweep_seconds=0.2)
    row = await engine.request(new("work", host_id))
    try:
        assert (await engine.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED
    finally:
        answered.set()
    assert journal.lines == ["a", "a", "ended"]


async def test_a_step_may_take_longer_than_its_record(
    engine_of: EngineMaker, host_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(durable, "_RECORD_SECONDS", 1.0)
    engine = await engine_of(OperationKind("hold", (gate.step,)), sweep_seconds=0.2)
    row = await engine.request(new("hold", host_id))
    assert (await engine.wait(row.id, 3.0)).state == OperationState.RUNNING
    gate.open()
    assert (await engine.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED
    assert gate.entered == 1


async def test_a_look_that_is_never_answered_is_not_the_last(
    database: Database, engine_of: EngineMaker, host_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, look = 0, DurableQueue.running

    async def unanswered(queue: DurableQueue, host: str) -> Any:
        nonlocal looks
        looks += 1
        if looks == 1:
            await asyncio.Event().wait()
        return await look(queue, host)

    monkeypatch.setattr(DurableQueue, "running", unanswered)
    monkeypatch.setattr(worker, "_SWEEP_SECONDS", 0.5)
    engine = await engine_of(Journal().kind(), sweep_seconds=0.1)
    await until(lambda: looks == 1)
    async with database.tx() as tx:
        row = await engine.submit(tx, new("work", host_id))

    assert (await engine.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED


@pytest.mark.parametrize("broken", ["ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"])
async def test_what_the_engine_broke_off_is_undone(
    database: Database, database_url: str, engine_of: EngineMaker, host_id: str, broken: str
) -> None:
    journal = Journal()
    kind = journal.kind(journal.step("a"), journal.step("b"))
    front = await engine_of(kind, role="api")
    row = await front.request(new("work", host_id))
    await queries.start_step(database, row.id, "a", 1)
    await execute(database_url, f"UPDATE dbos.workflow_status SET status = '{broken}' WHERE workflow_uuid = '{row.id}'")

    await engine_of(kind, role="worker", sweep_seconds=0.2)
    ended = await front.wait(row.id, SECONDS)

    assert (ended.state, ended.failureMessage) == (OperationState.FAILED, "The durable engine broke the operation off.")
    assert journal.lines == ["undo a", "ended"]


async def test_what_the_engine_breaks_off_again_has_ended(
    database: Database, database_url: str, engine_of: EngineMaker, host_id: str
) -> None:
    journal = Journal()
    kind = journal.kind(journal.step("a"))
    front = await engine_of(kind, role="api")
    row = await front.request(new("work", host_id))
    await queries.append_log(database, row.id, "The durable engine broke the operation off.")
    await queries.fail(
        database, row.id, step=None, code=InfinibayError.code, message="Broken.", remedy=None, cancelled=False
    )
    await execute(database_url, f"UPDATE dbos.workflow_status SET status = 'ERROR' WHERE workflow_uuid = '{row.id}'")

    await engine_of(kind, role="worker", sweep_seconds=0.2)

    assert (await front.wait(row.id, SECONDS)).state == OperationState.FAILED
    assert journal.lines == []


async def test_one_worker_of_a_host_looks_at_a_time(
    database: Database, database_url: str, engine_of: EngineMaker, host_id: str
) -> None:
    sibling = LockHolder(database_url)
    try:
        assert await sibling.hold(f"infinibay sweep {host_id}")
        engine = await engine_of(Journal().kind(), sweep_seconds=0.1)
        async with database.tx() as tx:
            row = await engine.submit(tx, new("work", host_id))
        assert (await engine.wait(row.id, 0.5)).state == OperationState.QUEUED
    finally:
        await sibling.close()

    assert (await engine.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED


async def test_two_workers_of_one_name_are_refused(database_url: str, engine_of: EngineMaker, host_id: str) -> None:
    other = LockHolder(database_url)
    try:
        assert await other.hold("infinibay executor twin")
        with pytest.raises(InfinibayError, match=r"^Another worker runs as twin\.$"):
            await engine_of(Journal().kind(), executor_id="twin")
    finally:
        await other.close()


@pytest.mark.parametrize("result", [{"what": object()}, {"text": "a\0b"}])
async def test_a_result_that_cannot_be_stored_fails_its_step(
    engine_of: EngineMaker, host_id: str, result: dict[str, Any]
) -> None:
    journal = Journal()
    engine = await engine_of(journal.kind(journal.step("a", result=result)))

    ended = await engine.wait((await engine.request(new("work", host_id))).id, SECONDS)

    assert (ended.state, ended.failureStep) == (OperationState.FAILED, "a")
    assert journal.lines == ["a", "undo a", "ended"]


async def test_words_that_the_database_cannot_hold(engine_of: EngineMaker, host_id: str) -> None:
    async def run(ctx: StepContext) -> None:
        await ctx.log("a\0b")
        raise WrongState("c\0d", remedy="e\0f")

    async def undo(_ctx: StepContext) -> None:
        raise WrongState("g\0h")

    engine = await engine_of(OperationKind("work", (Step("a", run, undo),)))

    ended = await engine.wait((await engine.request(new("work", host_id))).id, SECONDS)

    assert (ended.state, ended.failureRemedy) == (OperationState.FAILED, "e\ufffdf")
    assert ended.failureMessage == "c\ufffdd Step a could not be undone: g\ufffdh"
    assert ended.log == ["a\ufffdb", "a: c\ufffdd", "undo a: g\ufffdh"]


async def test_an_absent_database_is_told_as_such(postgres_url: str, durable_template: str) -> None:
    async with fresh_database(postgres_url, durable_template) as url:
        queue = DurableQueue(url)
        await queue.open()
        name = url.split("?", maxsplit=1)[0].rsplit("/", maxsplit=1)[1]
        await execute(
            postgres_url,
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )
        host = str(uuid4())
        for call in (
            lambda: queue.enqueue("x", host_id=host, partition="x"),
            lambda: queue.running(host),
            lambda: queue.known(["x"]),
            lambda: queue.resume("x", host),
            lambda: queue.forget(["x"]),
            lambda: queue.declare(host),
        ):
            with pytest.raises(DatabaseUnavailable, match=r"^The durable engine's database does not answer: "):
                await call()
        await queue.close()


async def test_retention(database: Database, database_url: str, engine_of: EngineMaker, host_id: str) -> None:
    journal, gate = Journal(), Gate()
    engine = await engine_of(
        journal.kind(journal.step("a")),
        journal.kind(journal.step("a", error=WrongState("No.")), name="bad"),
        OperationKind("hold", (gate.step,)),
    )
    failed = await _failed_machine(database, host_id)
    rows = {
        "running": await engine.request(new("hold", host_id)),
        "old": await engine.request(new("work", host_id)),
        "young": await engine.request(new("work", host_id)),
        "shown": await engine.request(new("bad", host_id, machine_id=failed)),
    }
    for name in ("old", "young", "shown"):
        await engine.wait(rows[name].id, SECONDS)
        await until(partial(_engine_has_ended, database_url, rows[name].id))
    await until(lambda: gate.entered == 1)
    long_ago = datetime.now(UTC) - timedelta(days=91)
    for name in ("old", "shown"):
        await database.operation.update(where={"id": rows[name].id}, data={"endedAt": long_ago})
    await database.operation.update(where={"id": rows["running"].id}, data={"createdAt": long_ago})
    for days in (364, 366):
        at = datetime.now(UTC) - timedelta(days=days)
        await database.auditentry.create(data={"action": f"{days} days ago", "result": "ok", "at": at})
    queue = DurableQueue(database_url)
    await queue.open()

    gone = await purge(database, queue, 90)
    await queue.close()

    assert gone == 1
    kept = [name for name, row in rows.items() if await queries.find(database, row.id) is not None]
    assert kept == ["running", "young", "shown"]
    assert [entry.action for entry in await database.auditentry.find_many()] == ["364 days ago"]
    assert await engine_rows(database_url, rows["old"].id) == []
    assert "workflow_status" in await engine_rows(database_url, rows["running"].id)
    gate.open()
    assert (await engine.wait(rows["running"].id, SECONDS)).state == OperationState.SUCCEEDED


async def test_nothing_secret_and_nothing_pickled_in_the_engines_tables(
    database_url: str, engine_of: EngineMaker, host_id: str
) -> None:
    """A secret that a step sees, returns by mistake, raises and writes into its log."""
    secret = "hunter2-planted"

    async def run(ctx: StepContext) -> dict[str, str]:
        await ctx.log(secret)
        return {"seen": secret}

    async def fail(_ctx: StepContext) -> None:
        raise RuntimeError(secret)

    async def ended(_ctx: StepContext, _failure: object) -> None:
        raise RuntimeError(secret)

    engine = await engine_of(OperationKind("work", (Step("a", run, fail), Step("b", fail, fail)), ended))
    row = await engine.request(new("work", host_id, input={"note": secret}))
    await engine.wait(row.id, SECONDS)
    await until(lambda: _engine_has_ended(database_url, row.id))

    assert await engine_rows(database_url, secret) == []
    assert await engine_rows(database_url, row.id) == [
        "operation_outputs",
        "workflow_input",
        "workflow_output",
        "workflow_status",
    ]
    formats = await query(
        database_url,
        "SELECT DISTINCT serialization FROM dbos.workflow_status"
        " UNION SELECT DISTINCT serialization FROM dbos.operation_outputs",
    )
    assert formats == [("infinibay_json",)]


async def _engine_has_ended(database_url: str, operation_id: str) -> bool:
    statement = "SELECT status FROM dbos.workflow_status WHERE workflow_uuid = %s"
    return await query(database_url, statement, operation_id) == [("SUCCESS",)]


async def _failed_machine(database: Database, host_id: str) -> str:
    name = str(uuid4())
    department = await database.department.create(data={"name": name, "nameKey": name})
    machine = await database.machine.create(
        data={
            "name": name,
            "nameKey": name,
            "internalName": name,
            "status": MachineStatus.failed,
            "os": "UBUNTU",
            "cpuCores": 1,
            "ramGB": 1,
            "diskSizeGB": 1,
            "hostId": host_id,
            "departmentId": department.id,
        }
    )
    return machine.id

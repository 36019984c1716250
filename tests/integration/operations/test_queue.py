"""Order within a machine, parallel across machines, budgets, roles, and what a verb meets on a busy machine."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from infinibay.db import events
from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.db.live import new_feed
from infinibay.db.rows import Operation, OperationState
from infinibay.errors import MachineBusy
from infinibay.operations.api import NewOperation, OperationKind, Step, StepContext
from infinibay.operations.bell import Bell
from infinibay.operations.engine import OperationEngine
from tests.integration.operations.conftest import EngineMaker
from tests.integration.operations.support import Gate, Journal, new
from tests.support.wait import until

SECONDS = 30


async def test_the_engine_s_own_looks_wait_for_the_bell(
    engine_of: EngineMaker, host_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[str] = []
    wait = Bell._wait

    def noted(*arguments: Any, **options: Any) -> bool:
        waits.append(threading.current_thread().name)
        return wait(*arguments, **options)

    monkeypatch.setattr(Bell, "_wait", noted)
    await engine_of(Journal().kind())
    await until(lambda: f"queue-worker-host-{host_id}" in waits)


async def test_order_within_a_machine_and_parallel_across(engine_of: EngineMaker, host_id: str) -> None:
    ran: list[tuple[str | None, int]] = []
    inside: set[str | None] = set()
    together = asyncio.Event()

    async def run(ctx: StepContext) -> None:
        assert ctx.machine_id not in inside
        inside.add(ctx.machine_id)
        if len(inside) > 1:
            together.set()
        ran.append((ctx.machine_id, ctx.input["number"]))
        async with asyncio.timeout(SECONDS):
            await together.wait()
        inside.discard(ctx.machine_id)

    engine = await engine_of(OperationKind("work", (Step("a", run),)))
    machines = [str(uuid4()) for _ in range(4)]
    rows = [
        await engine.request(new("work", host_id, machine_id=machine, input={"number": number}))
        for number in range(3)
        for machine in machines
    ]
    ended = await asyncio.gather(*(engine.wait(row.id, SECONDS) for row in rows))

    assert {row.state for row in ended} == {OperationState.SUCCEEDED}
    for machine in machines:
        assert [number for at, number in ran if at == machine] == [0, 1, 2]


async def test_a_budget_is_kept(engine_of: EngineMaker, host_id: str) -> None:
    gate = Gate(budget="media")
    engine = await engine_of(OperationKind("work", (gate.step,)), budgets={"media": 2})
    rows = [await engine.request(new("work", host_id)) for _ in range(5)]
    await until(lambda: gate.entered == 2)
    await until(lambda: _all_running(engine, rows))

    assert gate.entered == 2
    gate.open()
    ended = await asyncio.gather(*(engine.wait(row.id, SECONDS) for row in rows))

    assert {row.state for row in ended} == {OperationState.SUCCEEDED}
    assert (gate.entered, gate.most) == (5, 2)


async def test_waiting_for_a_budget_can_be_cancelled(engine_of: EngineMaker, host_id: str) -> None:
    gate = Gate(budget="media")
    engine = await engine_of(OperationKind("work", (gate.step,)), budgets={"media": 1})
    rows = [await engine.request(new("work", host_id)) for _ in range(2)]
    await until(lambda: _all_running(engine, rows))

    await engine.request_cancel(rows[1].id)
    await engine.request_cancel(rows[0].id)
    ended = [await engine.wait(row.id, SECONDS) for row in rows]

    assert [row.state for row in ended] == [OperationState.CANCELLED, OperationState.CANCELLED]


async def test_a_budget_that_nobody_set_is_refused(database: Database, database_url: str, host_id: str) -> None:
    kind = OperationKind("work", (Gate(budget="starts").step,))
    with pytest.raises(ValueError, match=r"unknown budgets: \['starts'\]"):
        OperationEngine({"work": kind}, database, database_url, new_feed(), host_id=host_id, budgets={}, role="all")


async def test_an_api_process_only_enqueues(
    database: Database, database_url: str, engine_of: EngineMaker, host_id: str
) -> None:
    journal = Journal()
    kind = journal.kind(journal.step("a"))
    front = await engine_of(kind, role="api")
    row = await front.request(new("work", host_id))

    assert (await front.wait(row.id, 0.5)).state == OperationState.QUEUED
    assert await _engine_state(database_url, row.id) == "ENQUEUED"

    await engine_of(kind, role="worker")
    assert (await front.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED
    assert journal.lines == ["a", "ended"]


async def test_a_committed_operation_that_was_never_enqueued_is_swept(
    database: Database, engine_of: EngineMaker, host_id: str
) -> None:
    journal = Journal()
    engine = await engine_of(journal.kind(journal.step("a")), sweep_seconds=0.1)
    async with database.tx() as tx:
        row = await engine.submit(tx, new("work", host_id))

    assert (await engine.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED
    assert journal.lines == ["a", "ended"]


async def test_enqueueing_brings_earlier_ones_along_in_order(
    database: Database, engine_of: EngineMaker, host_id: str
) -> None:
    order: list[str] = []

    async def run(ctx: StepContext) -> None:
        order.append(ctx.operation_id)

    engine = await engine_of(OperationKind("work", (Step("a", run),)), sweep_seconds=600)
    machine = str(uuid4())
    rows = []
    for number in range(3):
        async with database.tx() as tx:
            rows.append(await engine.submit(tx, new("work", host_id, machine_id=machine, input={"n": number})))

    await engine.enqueue(rows[2])
    await engine.enqueue(rows[0])
    await asyncio.gather(*(engine.wait(row.id, SECONDS) for row in rows))

    assert order == [row.id for row in rows]


async def test_who_comes_first_is_decided_by_the_lock_and_not_by_the_start_of_the_transaction(
    database: Database, engine_of: EngineMaker, host_id: str
) -> None:
    engine = await engine_of(OperationKind("work", ()), role="api")
    machine = str(uuid4())
    async with database.tx() as slow:
        await slow.query_raw("SELECT 1")
        first = await engine.request(new("work", host_id, machine_id=machine, input={"n": 1}))
        second = await engine.submit(slow, new("work", host_id, machine_id=machine, input={"n": 2}))

    assert first.createdAt < second.createdAt
    active = await queries.active(database, machine_id=machine, department_id=None)
    assert [row.id for row in active] == [first.id, second.id]


async def test_nothing_is_left_of_a_request_that_was_rolled_back(
    database: Database, engine_of: EngineMaker, host_id: str
) -> None:
    engine = await engine_of(Journal().kind())
    with pytest.raises(RuntimeError):
        async with database.tx() as tx:
            row = await engine.submit(tx, new("work", host_id))
            raise RuntimeError

    assert await queries.find(database, row.id) is None
    await engine.enqueue(row)


async def test_verbs_on_a_busy_machine(database: Database, engine_of: EngineMaker, host_id: str) -> None:
    journal, gate = Journal(), Gate()
    engine = await engine_of(
        journal.kind(journal.step("volume"), gate.step, name="create", exclusive=True),
        journal.kind(journal.step("power"), name="power_on"),
        journal.kind(journal.step("cleanup"), name="destroy", exclusive=True, preempts=True),
    )
    machine = str(uuid4())
    creation = await engine.request(new("create", host_id, machine_id=machine))
    await until(lambda: gate.entered == 1)

    with pytest.raises(MachineBusy, match=r"^The machine is busy: create is under way\.$"):
        await engine.request(new("power_on", host_id, machine_id=machine))
    first, second = await asyncio.gather(
        *(engine.request(new("destroy", host_id, machine_id=machine)) for _ in range(2))
    )
    ended = await engine.wait(first.id, SECONDS)

    assert first.id == second.id
    assert ended.state == OperationState.SUCCEEDED
    assert (await engine.wait(creation.id, 0)).state == OperationState.CANCELLED
    assert journal.lines == ["volume", "undo volume", "ended", "cleanup", "ended"]
    latest = await engine.latest(machine)
    assert latest is not None
    assert latest.id == first.id


async def test_many_of_the_same_verb_at_once_are_one_operation(engine_of: EngineMaker, host_id: str) -> None:
    gate = Gate()
    engine = await engine_of(OperationKind("power_on", (gate.step,)))
    wanted = new("power_on", host_id)

    rows = await asyncio.gather(*(engine.request(wanted) for _ in range(8)))
    gate.open()
    await engine.wait(rows[0].id, SECONDS)

    assert len({row.id for row in rows}) == 1
    assert gate.entered == 1


async def test_a_departments_operations_take_turns(engine_of: EngineMaker, host_id: str) -> None:
    gate = Gate()
    engine = await engine_of(OperationKind("filter", (gate.step,)))
    department = str(uuid4())
    wanted = NewOperation(kind="filter", host_id=host_id, department_id=department)
    first = await engine.request(wanted)
    await until(lambda: gate.entered == 1)
    second, third = await engine.request(wanted), await engine.request(wanted)

    assert first.id != second.id
    assert second.id == third.id
    gate.open()
    assert (await engine.wait(second.id, SECONDS)).state == OperationState.SUCCEEDED
    assert gate.most == 1


async def test_the_engines_tables_hold_ids_only(
    database: Database, database_url: str, engine_of: EngineMaker, host_id: str
) -> None:
    journal = Journal()
    secret = "hunter2-äöü"
    engine = await engine_of(
        journal.kind(journal.step("a", result={"found": secret}), journal.step("b", error=RuntimeError(secret)))
    )
    row = await engine.request(new("work", host_id, input={"note": secret}))
    await engine.wait(row.id, SECONDS)
    await until(lambda: _is_done(database_url, row.id))

    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        workflow = await (
            await connection.execute(
                "SELECT i.inputs, o.output, o.error FROM dbos.workflow_input i JOIN dbos.workflow_output o"
                " USING (workflow_uuid) WHERE workflow_uuid = %s",
                [row.id],
            )
        ).fetchone()
        steps = await (
            await connection.execute(
                "SELECT function_name, output, error FROM dbos.operation_outputs WHERE workflow_uuid = %s"
                " ORDER BY function_id",
                [row.id],
            )
        ).fetchall()
    assert workflow is not None
    inputs, output, error = workflow
    assert json.loads(inputs) == {"args": [row.id], "kwargs": {}}
    assert (output, error) == ("null", None)
    assert steps == [
        ("a", "true", None),
        ("b", "false", None),
        ("settle", "2", None),
        ("undo:b", "null", None),
        ("undo:a", "null", None),
        ("ended", "null", None),
        ("finish", "true", None),
    ]


async def _all_running(engine: OperationEngine, rows: list[Operation]) -> bool:
    return all([(await engine.wait(row.id, 0)).state == OperationState.RUNNING for row in rows])


async def _engine_state(database_url: str, operation_id: str) -> str | None:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "SELECT status FROM dbos.workflow_status WHERE workflow_uuid = %s", [operation_id]
        )
        found = await cursor.fetchone()
    return found[0] if found else None


async def _is_done(database_url: str, operation_id: str) -> bool:
    return await _engine_state(database_url, operation_id) == "SUCCESS"


async def test_who_cancels_waits_for_rows_before_it_writes_events(
    engine_of: EngineMaker, host_id: str, database: Database, database_url: str
) -> None:
    """A deadlock otherwise: the ending of an operation holds its row while it waits for its event's number."""
    gate, journal = Gate(), Journal()
    engine = await engine_of(
        OperationKind("create", (gate.step,), exclusive=True),
        journal.kind(journal.step("cleanup"), name="destroy", exclusive=True, preempts=True),
    )
    machine_id = str(uuid4())
    created = await engine.request(new("create", host_id, machine_id=machine_id))
    await until(lambda: gate.entered == 1)
    async with await psycopg.AsyncConnection.connect(database_url) as ending:
        await ending.execute("SELECT 1 FROM operations WHERE id = %s FOR UPDATE", [created.id])
        requested = asyncio.create_task(engine.request(new("destroy", host_id, machine_id=machine_id)))
        await until(lambda: _is_waited_for(ending), what="the destroy's wait for the row")
        async with asyncio.timeout(SECONDS):
            await events.append(database, kind="test.other", data={})
    destroyed = await engine.wait((await requested).id, SECONDS)
    assert destroyed.state == OperationState.SUCCEEDED
    assert (await engine.wait(created.id, SECONDS)).state == OperationState.CANCELLED


async def _is_waited_for(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> bool:
    cursor = await connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    )
    return await cursor.fetchone() is not None


async def test_who_waits_for_another_operation_leaves_it_the_place(engine_of: EngineMaker, host_id: str) -> None:
    """As many wait as may work, before the one that they wait for."""
    made = asyncio.Event()

    async def wait(ctx: StepContext) -> None:
        waiting.append(ctx.operation_id)
        async with ctx.aside():
            await made.wait()

    async def make(_ctx: StepContext) -> None:
        made.set()

    waiting: list[str] = []
    kinds = (OperationKind("wait", (Step("a", wait),)), OperationKind("make", (Step("a", make),)))
    engine = await engine_of(*kinds, concurrency=2)
    rows = [await engine.request(new("wait", host_id)) for _ in range(3)]
    await until(lambda: len(waiting) == 3)
    rows.append(await engine.request(new("make", host_id)))
    ended = await asyncio.gather(*(engine.wait(row.id, SECONDS) for row in rows))

    assert {row.state for row in ended} == {OperationState.SUCCEEDED}


async def test_no_more_steps_work_at_once_than_may(engine_of: EngineMaker, host_id: str) -> None:
    gate = Gate()
    engine = await engine_of(OperationKind("work", (gate.step,)), concurrency=2)
    rows = [await engine.request(new("work", host_id)) for _ in range(5)]
    await until(lambda: gate.entered == 2)
    gate.open()
    ended = await asyncio.gather(*(engine.wait(row.id, SECONDS) for row in rows))
    assert {row.state for row in ended} == {OperationState.SUCCEEDED}
    assert gate.most == 2

"""Workers as processes of their own that die, are stopped or live on: what becomes of the operations they had."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.db.rows import OperationState
from infinibay.errors import DatabaseUnavailable
from infinibay.operations.context import gone_on_with
from infinibay.operations.engine import OperationEngine
from infinibay.operations.steps import MOST_INTERRUPTIONS
from infinibay.operations.takeover import GRACE_SECONDS
from tests.integration.operations.conftest import EngineMaker
from tests.integration.operations.support import new
from tests.integration.operations.worker_process import STEPS, Children, Traces, exit_code, working_kind
from tests.support.databases import base_directory, execute
from tests.support.scale import count
from tests.support.wait import until

SECONDS = 60
PHASES = ("before", "after")
DONE = [line for step in STEPS for line in (step, f"{step} done")]


@pytest.fixture
def traces(tmp_path: Path) -> Traces:
    return Traces(tmp_path)


@pytest.fixture
async def children(database_url: str, host_id: str, tmp_path: Path) -> AsyncIterator[Children]:
    with base_directory() as run_dir:
        children = Children(database_url, host_id, tmp_path, run_dir)
        try:
            yield children
        finally:
            await children.close()


@pytest.fixture
async def front(engine_of: EngineMaker, traces: Traces) -> OperationEngine:
    """An API process: it asks and waits."""
    return await engine_of(working_kind("work", traces), role="api")


async def test_killed_at_every_border_of_a_step(
    engine_of: EngineMaker, children: Children, traces: Traces, host_id: str
) -> None:
    points = [("good", step, phase) for step in (*STEPS, "ended") for phase in PHASES]
    points += [("bad", f"undo:{step}", phase) for step in reversed(STEPS) for phase in PHASES]
    points += [("bad", "ended", phase) for phase in PHASES]
    kinds = {point: working_kind("/".join(point), traces) for point in points}
    front = await engine_of(*kinds.values(), role="api")
    operations: dict[tuple[str, str, str], str] = {}
    for point in points:
        name = "/".join(point)
        fate = {"fail": "c"} if point[0] == "bad" else {}
        operations[point] = (await front.request(new(name, host_id, input=fate))).id
        child = await children.start(kinds=[name], fault=(name, *point[1:]), wait=False)
        assert await exit_code(child) == -signal.SIGKILL
    cut = {point: traces.lines(operation) for point, operation in operations.items()}

    await engine_of(*kinds.values(), role="worker", sweep_seconds=0.2)
    for point, operation in operations.items():
        ended = await front.wait(operation, SECONDS)
        good = point[0] == "good"
        assert (point, ended.state) == (point, OperationState.SUCCEEDED if good else OperationState.FAILED)
        assert (point, traces.effects(operation)) == (point, list(STEPS) if good else [])
        assert (point, traces.lines(operation)) == (point, [*cut[point], *_rest(point)])


async def test_what_ends_its_process_again_and_again_fails(
    database: Database, engine_of: EngineMaker, children: Children, traces: Traces, host_id: str
) -> None:
    """A step is undone; of a compensation is told that it did not happen, and the earlier ones do."""
    kinds = {name: working_kind(name, traces) for name in ("b", "undo:b")}
    front = await engine_of(*kinds.values(), role="api")
    operations: dict[str, str] = {}
    for name, fate in (("b", {}), ("undo:b", {"fail": "c"})):
        operations[name] = (await front.request(new(name, host_id, input=fate))).id
        child = await children.start(kinds=[name], fault=(name, name, "before"), wait=False)
        assert await exit_code(child) == -signal.SIGKILL
        for _ in range(MOST_INTERRUPTIONS - 1):
            await queries.append_log(database, operations[name], gone_on_with(name))

    await engine_of(*kinds.values(), role="worker", sweep_seconds=0.2)
    ended = {name: await front.wait(operation, SECONDS) for name, operation in operations.items()}

    assert {row.state for row in ended.values()} == {OperationState.FAILED}
    reasons = {name: front.failure_of(row) for name, row in ended.items()}
    assert {name: reason and (reason.step, reason.message) for name, reason in reasons.items()} == {
        "b": ("b", f"The server ended {MOST_INTERRUPTIONS} times at b."),
        "undo:b": (
            "c",
            f"It failed. Step b could not be undone: The server ended {MOST_INTERRUPTIONS} times at undo:b.",
        ),
    }
    assert traces.lines(operations["b"]) == ["a", "a done", "undo b", "undo a", "ended INTERNAL_SERVER_ERROR"]
    assert traces.effects(operations["b"]) == []
    assert traces.lines(operations["undo:b"])[-3:] == ["undo c", "undo a", "ended CONFLICT"]
    assert traces.effects(operations["undo:b"]) == ["b"]


def _rest(point: tuple[str, str, str]) -> list[str]:
    """What the next process does: the interrupted step, whether it had had its effect or not, and those after it."""
    outcome, step, _ = point
    if outcome == "good":
        return ["ended"] if step == "ended" else [*DONE[DONE.index(step) :], "ended"]
    undos = [f"undo {name}" for name in reversed(STEPS)]
    left = [] if step == "ended" else undos[undos.index(step.replace(":", " ")) :]
    return [*left, "ended CONFLICT"]


async def test_a_living_sibling_takes_over_soon(
    front: OperationEngine, children: Children, traces: Traces, host_id: str
) -> None:
    first = await children.start()
    row = await front.request(new("work", host_id, input={"hold": "b"}))
    await until(lambda: traces.lines(row.id) == ["a", "a done", "b"])
    second = await children.start(sweep_seconds=0.2)

    died = await children.kill(first)
    await until(lambda: traces.lines(row.id)[3:] == ["b"], SECONDS, "the takeover")
    assert time.monotonic() - died < 5 * GRACE_SECONDS
    traces.open_gate()

    assert (await front.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED
    assert traces.entries(row.id) == [
        *((first.pid, line) for line in ("a", "a done", "b")),
        *((second.pid, line) for line in ("b", "b done", "c", "c done", "ended")),
    ]


@pytest.mark.parametrize("purpose", [None, "infinibay lock"])
async def test_the_living_keep_what_they_have(
    database_url: str, front: OperationEngine, children: Children, traces: Traces, host_id: str, purpose: str | None
) -> None:
    """Also when the connections that prove them alive are cut."""
    first = await children.start()
    row = await front.request(new("work", host_id, input={"hold": "b"}))
    await until(lambda: traces.lines(row.id) == ["a", "a done", "b"])
    await children.start(sweep_seconds=0.1)
    if purpose is not None:
        await _cut(database_url, f"application_name = '{purpose}'")

    assert (await front.wait(row.id, GRACE_SECONDS + 1)).state == OperationState.RUNNING
    traces.open_gate()

    assert (await front.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED
    assert traces.entries(row.id) == [(first.pid, line) for line in [*DONE, "ended"]]


async def test_all_connections_cut_within_a_step(
    database: Database, database_url: str, front: OperationEngine, children: Children, traces: Traces, host_id: str
) -> None:
    child = await children.start(sweep_seconds=0.2)
    row = await front.request(new("work", host_id, input={"hold": "b"}))
    await until(lambda: traces.lines(row.id) == ["a", "a done", "b"])

    waiting = asyncio.create_task(front.wait(row.id, SECONDS))
    await _cut(database_url, "datname = current_database()")
    traces.open_gate()

    assert (await waiting).state == OperationState.SUCCEEDED
    assert traces.entries(row.id) == [(child.pid, line) for line in [*DONE, "ended"]]

    async def submitted() -> str | None:
        try:
            async with database.tx() as tx:
                return (await front.submit(tx, new("work", host_id))).id
        except DatabaseUnavailable:
            return None  # One of the connections in the pool that were cut.

    forgotten = await until(submitted)
    assert (await front.wait(forgotten, SECONDS)).state == OperationState.SUCCEEDED


async def test_an_orderly_stop_leaves_the_step_to_the_next_start(
    front: OperationEngine, children: Children, traces: Traces, host_id: str
) -> None:
    first = await children.start()
    row = await front.request(new("work", host_id, input={"hold": "b"}))
    await until(lambda: traces.lines(row.id) == ["a", "a done", "b"])

    first.terminate()
    assert await exit_code(first) == 0
    assert (await front.wait(row.id, 0)).state == OperationState.RUNNING
    assert traces.lines(row.id) == ["a", "a done", "b"]
    traces.open_gate()
    await children.start(sweep_seconds=0.2)

    assert (await front.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED
    assert traces.lines(row.id) == ["a", "a done", "b", *DONE[2:], "ended"]


async def test_an_api_process_never_runs_steps(
    front: OperationEngine, children: Children, traces: Traces, host_id: str
) -> None:
    await children.start(role="api")
    row = await front.request(new("work", host_id))
    assert (await front.wait(row.id, 1)).state == OperationState.QUEUED
    worker = await children.start()

    assert (await front.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED
    assert {pid for pid, _ in traces.entries(row.id)} == {worker.pid}


async def test_a_new_version_carries_on_what_an_old_one_had(
    front: OperationEngine, children: Children, traces: Traces, host_id: str
) -> None:
    """Half-done operations start over, those that waited run behind them, and those that failed go on undoing."""
    machine = str(uuid4())
    old = await children.start(version="0")
    running = await front.request(new("work", host_id, machine_id=machine, input={"hold": "b"}))
    waiting = await front.request(new("work", host_id, machine_id=machine))
    await until(lambda: traces.lines(running.id) == ["a", "a done", "b"])
    await children.kill(old)
    traces.open_gate()

    await children.start(version="1", sweep_seconds=0.2)
    states = [(await front.wait(row.id, SECONDS)).state for row in (running, waiting)]

    assert states == [OperationState.SUCCEEDED, OperationState.SUCCEEDED]
    assert traces.lines(running.id) == ["a", "a done", "b", *DONE, "ended"]
    assert traces.of_machine(machine)[-7:] == [(waiting.id, line) for line in [*DONE, "ended"]]


async def test_what_the_engine_lost_runs_before_what_waited_behind_it(
    database_url: str, front: OperationEngine, children: Children, traces: Traces, host_id: str
) -> None:
    machine = str(uuid4())
    first = await children.start()
    rows = [await front.request(new("work", host_id, machine_id=machine, input={"hold": "b"}))]
    await until(lambda: traces.lines(rows[0].id) == ["a", "a done", "b"])
    rows.append(await front.request(new("work", host_id, machine_id=machine)))
    await children.kill(first)
    await execute(database_url, f"DELETE FROM dbos.workflow_status WHERE workflow_uuid = '{rows[0].id}'")
    traces.open_gate()

    await children.start(sweep_seconds=0.2)
    states = [(await front.wait(row.id, SECONDS)).state for row in rows]

    assert states == [OperationState.SUCCEEDED, OperationState.SUCCEEDED]
    assert traces.of_machine(machine)[3:] == [(row.id, line) for row in rows for line in [*DONE, "ended"]]


async def test_a_half_done_operation_of_a_kind_that_is_gone_fails(
    front: OperationEngine, children: Children, traces: Traces, host_id: str
) -> None:
    old = await children.start()
    row = await front.request(new("work", host_id, input={"hold": "b"}))
    await until(lambda: traces.lines(row.id) == ["a", "a done", "b"])
    await children.kill(old)

    await children.start(kinds=["other"], sweep_seconds=0.2)
    ended = await front.wait(row.id, SECONDS)

    assert ended.state == OperationState.FAILED
    assert ended.failureMessage == "This server does not know operations of the kind 'work'."


async def test_many_operations_keep_their_order_over_two_workers(
    front: OperationEngine, children: Children, traces: Traces, host_id: str
) -> None:
    machines = [str(uuid4()) for _ in range(count(6, 20))]
    await asyncio.gather(children.start(), children.start())
    rows = [
        await front.request(new("work", host_id, machine_id=machine, input={"number": number}))
        for number in range(count(5, 10))
        for machine in machines
    ]
    ended = await asyncio.gather(*(front.wait(row.id, count(60, 300)) for row in rows))

    assert {row.state for row in ended} == {OperationState.SUCCEEDED}
    for machine in machines:
        expected = [(row.id, line) for row in rows if row.machineId == machine for line in [*DONE, "ended"]]
        assert traces.of_machine(machine) == expected
    assert len({pid for row in rows for pid, _ in traces.entries(row.id)}) == 2


async def _cut(database_url: str, condition: str) -> None:
    """Ends the server's side of the connections to this database that fulfil a condition."""
    await execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}",
    )

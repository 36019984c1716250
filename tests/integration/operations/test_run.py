"""How one operation runs: its steps and events, its failures and compensations, its cancellation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.db.rows import OperationState
from infinibay.errors import HypervisorUnavailable, InfinibayError, Unavailable, WrongState
from infinibay.operations.api import OperationFailed, OperationKind, Step, StepContext
from tests.integration.operations.conftest import EngineMaker
from tests.integration.operations.support import Gate, Journal, new, told
from tests.support.wait import until

SECONDS = 20


async def test_success_tells_every_step(database: Database, engine_of: EngineMaker, host_id: str) -> None:
    journal = Journal()
    engine = await engine_of(
        journal.kind(journal.step("volume", result={"path": "/x"}), journal.step("define", result={"uuid": "u"}))
    )

    submitted = await engine.request(new("work", host_id))
    ended = await engine.wait(submitted.id, SECONDS)

    assert submitted.state == OperationState.QUEUED
    assert (ended.state, ended.percent) == (OperationState.SUCCEEDED, 100)
    assert dict(ended.result) == {"path": "/x", "uuid": "u"}
    assert journal.lines == ["volume", "define", "ended"]
    assert journal.endings == [None]
    assert engine.failure_of(ended) is None
    assert await told(database, ended.id, "state", "step", "stepNumber", "steps", "percent", "failure") == [
        ("QUEUED", None, None, 2, None, None),
        ("RUNNING", "volume", 1, 2, None, None),
        ("RUNNING", "define", 2, 2, None, None),
        ("SUCCEEDED", "define", 2, 2, 100, None),
    ]
    elapsed = [seconds for (seconds,) in await told(database, ended.id, "elapsed")]
    assert elapsed[0] is None
    assert all(0 <= float(seconds) < SECONDS for seconds in elapsed[1:])


@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_failure_undoes_this_and_earlier_steps(
    database: Database, engine_of: EngineMaker, host_id: str, failing: int
) -> None:
    journal = Journal()
    names = ["a", "b", "c"]
    error = WrongState("It is off.", remedy="Start it.")
    engine = await engine_of(
        journal.kind(*(journal.step(name, error=error if at == failing else None) for at, name in enumerate(names)))
    )

    row = await engine.request(new("work", host_id))
    ended = await engine.wait(row.id, SECONDS)

    done = names[: failing + 1]
    assert journal.lines == [*done, *(f"undo {name}" for name in reversed(done)), "ended"]
    assert ended.state == OperationState.FAILED
    failure = engine.failure_of(ended)
    assert failure is not None
    assert (failure.step, failure.code, failure.message, failure.remedy) == (
        names[failing],
        "CONFLICT",
        "It is off.",
        "Start it.",
    )
    assert failure.log == (f"{names[failing]}: It is off.",)
    assert journal.endings == [failure]
    assert (await told(database, row.id, "state", "failure"))[-1] == (
        "FAILED",
        {"step": names[failing], "code": "CONFLICT", "message": "It is off.", "remedy": "Start it."},
    )


async def test_a_failing_compensation_is_told_and_the_others_run(engine_of: EngineMaker, host_id: str) -> None:
    journal = Journal()
    engine = await engine_of(
        journal.kind(
            journal.step("a"),
            journal.step("b", undo_error=WrongState("The volume is in use.")),
            journal.step("c", error=WrongState("No.")),
        )
    )

    ended = await engine.wait((await engine.request(new("work", host_id))).id, SECONDS)

    assert journal.lines == ["a", "b", "c", "undo c", "undo b", "undo a", "ended"]
    failure = engine.failure_of(ended)
    assert failure is not None
    assert failure.message == "No. Step b could not be undone: The volume is in use."
    assert failure.log == ("c: No.", "undo b: The volume is in use.")
    assert journal.endings == [failure]


async def test_an_unknown_error_is_told_by_a_reference_only(engine_of: EngineMaker, host_id: str) -> None:
    journal = Journal()
    engine = await engine_of(journal.kind(journal.step("a", error=KeyError("s3cret"))))

    ended = await engine.wait((await engine.request(new("work", host_id))).id, SECONDS)

    failure = engine.failure_of(ended)
    assert failure is not None
    assert failure.code == "INTERNAL_SERVER_ERROR"
    assert failure.message.startswith("Something unexpected went wrong (reference ")
    assert "s3cret" not in ended.model_dump_json()


async def test_a_failing_ending_fails_the_operation(engine_of: EngineMaker, host_id: str) -> None:
    journal = Journal()

    async def ended(_ctx: StepContext, _failure: object) -> None:
        raise WrongState("No ending.")

    engine = await engine_of(OperationKind("work", (journal.step("a"),), ended))

    row = await engine.wait((await engine.request(new("work", host_id))).id, SECONDS)

    assert (row.state, row.failureMessage, row.failureStep) == (OperationState.FAILED, "No ending.", None)


async def test_a_kind_that_the_worker_does_not_know_fails(
    database: Database, engine_of: EngineMaker, host_id: str
) -> None:
    engine = await engine_of(Journal().kind())
    with pytest.raises(InfinibayError, match="does not know operations of the kind 'other'"):
        await engine.request(new("other", host_id))

    row = await queries.create(
        database,
        kind="other",
        host_id=host_id,
        machine_id=None,
        department_id=None,
        requested_by_id=None,
        input={},
        steps=1,
        arrived_at=datetime.now(UTC),
    )
    await engine.enqueue(row)
    ended = await engine.wait(row.id, SECONDS)

    assert ended.state == OperationState.FAILED
    assert ended.failureMessage == "This server does not know operations of the kind 'other'."


async def test_cancel_between_steps_undoes_what_was_done(
    database: Database, engine_of: EngineMaker, host_id: str
) -> None:
    journal = Journal()

    async def run(ctx: StepContext) -> None:
        journal.lines.append("b")
        await engine.request_cancel(ctx.operation_id)

    async def undo(_ctx: StepContext) -> None:
        journal.lines.append("undo b")

    engine = await engine_of(journal.kind(journal.step("a"), Step("b", run, undo), journal.step("c")))
    row = await engine.request(new("work", host_id))
    ended = await engine.wait(row.id, SECONDS)

    assert journal.lines == ["a", "b", "undo b", "undo a", "ended"]
    assert ended.state == OperationState.CANCELLED
    assert (ended.failureCode, ended.failureMessage) == ("CONFLICT", "The operation was cancelled.")
    assert [state for (state,) in await told(database, row.id, "state")] == [
        "QUEUED",
        "RUNNING",
        "RUNNING",
        "CANCELLING",
        "CANCELLING",
        "CANCELLED",
    ]


async def test_cancel_within_a_waiting_step(engine_of: EngineMaker, host_id: str) -> None:
    journal, gate = Journal(), Gate()
    engine = await engine_of(journal.kind(journal.step("a"), gate.step))
    row = await engine.request(new("work", host_id))
    await until(lambda: gate.entered == 1)

    asked = await engine.request_cancel(row.id)
    ended = await engine.wait(row.id, SECONDS)

    assert asked.state == OperationState.CANCELLING
    assert ended.state == OperationState.CANCELLED
    assert journal.lines == ["a", "undo a", "ended"]


async def test_cancel_of_a_queued_operation_runs_only_its_ending(engine_of: EngineMaker, host_id: str) -> None:
    journal, gate = Journal(), Gate()
    engine = await engine_of(OperationKind("hold", (gate.step,)), journal.kind(journal.step("a")))
    first = await engine.request(new("hold", host_id))
    second = await engine.request(new("work", host_id, machine_id=first.machineId))
    await until(lambda: gate.entered == 1)

    await engine.request_cancel(second.id)
    gate.open()
    ended = await engine.wait(second.id, SECONDS)

    assert ended.state == OperationState.CANCELLED
    assert journal.lines == ["ended"]


async def test_a_late_cancel_changes_nothing(engine_of: EngineMaker, host_id: str) -> None:
    journal = Journal()
    engine = await engine_of(journal.kind(journal.step("a")))
    ended = await engine.wait((await engine.request(new("work", host_id))).id, SECONDS)

    assert await engine.request_cancel(ended.id) == ended


async def test_progress_is_published(database: Database, engine_of: EngineMaker, host_id: str) -> None:
    async def run(ctx: StepContext) -> None:
        await ctx.progress(10)
        await ctx.progress(11)  # Too soon after the one before.
        await ctx.progress(100)
        await ctx.log("half way")

    engine = await engine_of(OperationKind("work", (Step("a", run),)))
    ended = await engine.wait((await engine.request(new("work", host_id))).id, SECONDS)

    assert [percent for (percent,) in await told(database, ended.id, "percent")] == [None, None, 10, 100, 100]
    assert ended.log == ["half way"]


async def test_an_absent_hypervisor_is_waited_for(engine_of: EngineMaker, host_id: str) -> None:
    attempts: list[int] = []

    async def run(_ctx: StepContext) -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise HypervisorUnavailable

    engine = await engine_of(OperationKind("work", (Step("a", run),)))
    ended = await engine.wait((await engine.request(new("work", host_id))).id, SECONDS)

    assert ended.state == OperationState.SUCCEEDED
    assert len(attempts) == 3


async def test_an_absent_hypervisor_is_not_waited_for_for_ever(engine_of: EngineMaker, host_id: str) -> None:
    journal = Journal()
    engine = await engine_of(journal.kind(journal.step("a", error=HypervisorUnavailable())), patience=0.3)

    ended = await engine.wait((await engine.request(new("work", host_id))).id, SECONDS)

    assert (ended.state, ended.failureCode) == (OperationState.FAILED, "UNAVAILABLE")
    assert journal.lines == ["a", "a", "undo a", "ended"]


async def test_waiting_for_an_absent_hypervisor_can_be_cancelled(engine_of: EngineMaker, host_id: str) -> None:
    journal = Journal()
    engine = await engine_of(journal.kind(journal.step("a", error=HypervisorUnavailable())))
    row = await engine.request(new("work", host_id))
    await until(lambda: journal.lines)

    await engine.request_cancel(row.id)
    ended = await engine.wait(row.id, SECONDS)

    assert ended.state == OperationState.CANCELLED
    assert journal.lines[-2:] == ["undo a", "ended"]


async def test_wait_gives_up_after_its_time(engine_of: EngineMaker, host_id: str) -> None:
    gate = Gate()
    engine = await engine_of(OperationKind("work", (gate.step,)))
    row = await engine.request(new("work", host_id))
    await until(lambda: gate.entered == 1)

    waited = await engine.wait(row.id, 0.1)
    gate.open()

    assert waited.state == OperationState.RUNNING
    assert (await engine.wait(row.id, SECONDS)).state == OperationState.SUCCEEDED


async def test_waiting_for_success_tells_why_there_is_none(
    engine_of: EngineMaker, host_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, gate = Journal(), Gate()
    error = WrongState("It is off.", remedy="Start it.")
    engine = await engine_of(
        journal.kind(journal.step("a")),
        journal.kind(journal.step("a", error=error), name="bad"),
        journal.kind(gate.step, name="held"),
    )

    await engine.succeeded((await engine.request(new("work", host_id))).id)
    with pytest.raises(OperationFailed, match=r"It is off\.") as failed:
        await engine.succeeded((await engine.request(new("bad", host_id))).id)
    assert (failed.value.code, failed.value.remedy) == ("CONFLICT", "Start it.")

    held = await engine.request(new("held", host_id))
    monkeypatch.setattr("infinibay.operations.engine._ANSWER_SECONDS", 0.1)
    with pytest.raises(Unavailable, match=f"Still in progress: operation {held.id}"):
        await engine.succeeded(held.id)
    gate.open()
    await engine.wait(held.id, SECONDS)

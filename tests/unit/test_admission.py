"""What a verb may do that meets a busy machine: every pair of kinds, and what cancellation and input change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from infinibay.db.rows import Operation, OperationState
from infinibay.operations.admission import Join, Queue, Refuse, admit
from infinibay.operations.api import NewOperation, OperationKind

MACHINE, HOST = str(uuid4()), str(uuid4())
KINDS = {
    kind.name: kind
    for kind in (
        OperationKind("create", (), exclusive=True),
        OperationKind("restore", (), exclusive=True),
        OperationKind("destroy", (), exclusive=True, preempts=True),
        OperationKind("force_power_off", (), preempts=True),
        OperationKind("power_on", ()),
        OperationKind("power_off", ()),
    )
}


def active(kind: str, *, state: OperationState = OperationState.RUNNING, **more: Any) -> Operation:
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "kind": kind,
        "state": state,
        "hostId": HOST,
        "machineId": MACHINE,
        "input": "{}",
        "result": "{}",
        "steps": 1,
        "cancelRequested": False,
        "log": [],
        "createdAt": datetime.now(UTC),
    }
    return Operation.model_validate({**values, **more})


def new(kind: str, **more: Any) -> NewOperation:
    return NewOperation(**{"kind": kind, "host_id": HOST, "machine_id": MACHINE, **more})


def word(running: str, arriving: str) -> str:
    row = active(running)
    match admit(KINDS, [row], new(arriving)):
        case Join(operation):
            assert operation is row
            return "join"
        case Refuse(operation):
            assert operation is row
            return "refuse"
        case Queue(cancel=()):
            return "queue"
        case Queue(cancel):
            assert cancel == (row.id,)
            return "preempt"


@pytest.mark.parametrize("arriving", KINDS)
def test_an_idle_machine_takes_everything(arriving: str) -> None:
    assert admit(KINDS, [], new(arriving)) == Queue()


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        ("create", {"create": "join", "restore": "refuse", "destroy": "preempt", "force_power_off": "preempt"}),
        ("restore", {"create": "refuse", "restore": "join", "destroy": "preempt", "force_power_off": "preempt"}),
        ("destroy", {"create": "refuse", "restore": "refuse", "destroy": "join", "force_power_off": "refuse"}),
        ("force_power_off", {"create": "queue", "restore": "queue", "destroy": "preempt", "force_power_off": "join"}),
        ("power_on", {"create": "queue", "restore": "queue", "destroy": "preempt", "force_power_off": "preempt"}),
        ("power_off", {"create": "queue", "restore": "queue", "destroy": "preempt", "force_power_off": "preempt"}),
    ],
)
def test_kinds_of_weight_meet_a_busy_machine(running: str, expected: dict[str, str]) -> None:
    assert {arriving: word(running, arriving) for arriving in expected} == expected


@pytest.mark.parametrize(
    ("running", "power_on", "power_off"),
    [
        ("create", "refuse", "refuse"),
        ("restore", "refuse", "refuse"),
        ("destroy", "refuse", "refuse"),
        ("force_power_off", "queue", "queue"),
        ("power_on", "join", "queue"),
        ("power_off", "queue", "join"),
    ],
)
def test_ordinary_verbs_meet_a_busy_machine(running: str, power_on: str, power_off: str) -> None:
    assert (word(running, "power_on"), word(running, "power_off")) == (power_on, power_off)


def test_something_in_between_forbids_joining() -> None:
    rows = [active("power_on"), active("power_off", state=OperationState.QUEUED)]

    assert admit(KINDS, rows, new("power_on")) == Queue()
    assert admit(KINDS, rows, new("power_off")) == Join(rows[1])


def test_another_input_forbids_joining() -> None:
    rows = [active("power_off", input='{"force": false}')]

    assert admit(KINDS, rows, new("power_off", input={"force": True})) == Queue()
    assert admit(KINDS, rows, new("power_off", input={"force": False})) == Join(rows[0])


def test_nobody_joins_what_is_being_cancelled_or_undone() -> None:
    cancelled = active("power_on", state=OperationState.CANCELLING, cancelRequested=True)
    failing = active("power_on", failureCode="CONFLICT")

    assert admit(KINDS, [cancelled], new("power_on")) == Queue()
    assert admit(KINDS, [failing], new("power_on")) == Queue()


def test_a_creation_that_is_being_cancelled_still_refuses() -> None:
    creation = active("create", state=OperationState.CANCELLING, cancelRequested=True)

    assert admit(KINDS, [creation], new("power_on")) == Refuse(creation)


def test_preempting_cancels_everything_once() -> None:
    creation = active("create", cancelRequested=True)
    power_on = active("power_on", state=OperationState.QUEUED)

    assert admit(KINDS, [creation, power_on], new("destroy")) == Queue((power_on.id,))


def test_a_department_joins_only_what_has_not_begun() -> None:
    queued = active("power_on", state=OperationState.QUEUED, machineId=None)
    running = active("power_on", machineId=None)

    assert admit(KINDS, [queued], new("power_on", machine_id=None)) == Join(queued)
    assert admit(KINDS, [running], new("power_on", machine_id=None)) == Queue()


def test_what_comes_when_an_exclusive_one_only_notes_its_end_queues_behind_it() -> None:
    creation = active("create")
    assert admit(KINDS, [creation], new("power_off", behind=frozenset({"create"}))) == Queue()
    removal = active("destroy")
    arriving = new("power_off", behind=frozenset({"create"}))
    assert admit(KINDS, [creation, removal], arriving) == Refuse(removal)

"""Mutations that answer at the end of their operation tell why it failed, and that it is not over yet; on the whole
product."""

from __future__ import annotations

from typing import Any

import pytest

from infinibay.db import departments
from infinibay.errors import HypervisorRefused
from infinibay.operations import engine
from infinibay.services.machines.definition import Definition
from tests.support.whole import Whole

_MOVE = "mutation ($id: String!, $to: String!) { moveMachine(id: $id, departmentId: $to) { departmentId } }"
_DESTROY = "mutation ($id: String!) { destroyDepartment(id: $id) { id } }"
# Nobody works on it, and what comes later waits for its end.
_IN_THE_WAY = (
    "INSERT INTO operations (kind, host_id, machine_id, department_id, steps, enqueued_at)"
    " SELECT 'held', id, %s::uuid, %s::uuid, 1, now() FROM hosts RETURNING 1"
)


async def refusal(product: Whole, query: str, **variables: str) -> dict[str, Any]:
    (error,) = (await product.post(query, variables, product.tokens["first"])).json()["errors"]
    return {"message": error["message"], **error["extensions"]}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            HypervisorRefused("No such rule", remedy="Write another"),
            {"code": "BAD_USER_INPUT", "message": "No such rule", "remedy": "Write another"},
        ),
        (
            KeyError("s3cret"),
            {"code": "INTERNAL_SERVER_ERROR", "message": "Something unexpected went wrong (reference"},
        ),
    ],
)
async def test_a_failed_operation_tells_why(
    product: Whole, monkeypatch: pytest.MonkeyPatch, error: Exception, told: dict[str, str]
) -> None:
    machine_id, department_id = (await product.machine())["id"], await product.department()

    async def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(Definition, "ensure_filters", fails)
    shown = await refusal(product, _MOVE, id=machine_id, to=department_id)
    assert {name: shown[name][: len(text)] for name, text in told.items()} == told
    assert "s3cret" not in str(shown)


async def test_what_has_not_ended_is_no_success(product: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    machine_id, department_id = (await product.machine())["id"], await product.department()
    await product.rows(_IN_THE_WAY, machine_id, None)
    await product.rows(_IN_THE_WAY, None, department_id)
    monkeypatch.setattr(engine, "_ANSWER_SECONDS", 0.1)
    for query, variables in (
        (_MOVE, {"id": machine_id, "to": department_id}),
        (_DESTROY, {"id": department_id}),
    ):
        shown = await refusal(product, query, **variables)
        ((operation_id,),) = await product.rows("SELECT id::text FROM operations ORDER BY created_at DESC LIMIT 1")
        assert shown == {"code": "UNAVAILABLE", "message": f"Still in progress: operation {operation_id}"}
    await product.settled()


async def test_a_failed_move_goes_back_to_where_an_earlier_one_had_put_the_machine(
    product: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_id = (await product.machine())["id"]
    earlier, later = await product.department(), await product.department()
    await product.rows(_IN_THE_WAY, machine_id, None)
    monkeypatch.setattr(engine, "_ANSWER_SECONDS", 0.1)
    outcomes = iter([None, HypervisorRefused("No such rule"), None])

    async def filters(*_: object) -> None:
        if (outcome := next(outcomes)) is not None:
            raise outcome

    monkeypatch.setattr(Definition, "ensure_filters", filters)
    for department_id in (earlier, later):
        assert (await refusal(product, _MOVE, id=machine_id, to=department_id))["code"] == "UNAVAILABLE"
    await product.settled()

    found = await product.ask("query ($id: String!) { machine(id: $id) { departmentId } }", {"id": machine_id})
    assert found == {"machine": {"departmentId": earlier}}


async def test_a_move_to_a_department_that_is_gone_by_then_says_so(
    product: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_id, department_id = (await product.machine())["id"], await product.department()

    async def gone(*_: object) -> bool:
        return False

    monkeypatch.setattr(departments, "hold", gone)
    shown = await refusal(product, _MOVE, id=machine_id, to=department_id)
    assert (shown["code"], shown["message"]) == ("CONFLICT", "The department was destroyed at the same moment")

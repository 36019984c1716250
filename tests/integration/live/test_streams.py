"""What each subscription gives, to whom, and when it ends."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.integration.live.stage import ASSIGN, EVENTS, PROGRESS, STATUS, Stage, events
from tests.support.sockets import PROTOCOLS


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_status_is_what_it_is_now_then_each_change(stage: Stage, protocol: str) -> None:
    machine = await stage.machine()
    await stage.status(machine, "stopped")
    last = await stage.last()
    async with stage.socket("owner", protocol) as socket:
        stream = await socket.start(STATUS, {"id": machine})
        first = await stream.next()
        assert first == {**first, "machineId": machine, "status": "stopped", "previous": None, "seq": str(last)}
        written = [await stage.status(machine, status) for status in ("running", "paused", "running")]
        told = await events(stream, 3)
        assert [(one["status"], int(one["seq"])) for one in told] == list(
            zip(("running", "paused", "running"), written, strict=True)
        )


async def test_without_a_machine_the_status_of_all_that_one_may_see(stage: Stage) -> None:
    own, other = await stage.machine("owner"), await stage.machine("stranger")
    async with stage.socket("owner") as one, stage.socket("admin") as all_of_them:
        mine, everybodys = await one.start(STATUS), await all_of_them.start(STATUS)
        shown = {(await mine.next())["machineId"] for _ in range(await _count(stage, "owner"))}
        assert own in shown
        assert other not in shown
        everything = {(await everybodys.next())["machineId"] for _ in range(await _count(stage, None))}
        assert {own, other} <= everything
        await stage.status(other, "running")
        await stage.status(own, "running")
        assert (await mine.next())["machineId"] == own
        assert [one["machineId"] for one in await events(everybodys, 2)] == [other, own]


async def test_a_status_stream_ends_with_its_machine(stage: Stage) -> None:
    machine = await stage.machine()
    async with stage.socket("owner") as socket:
        stream = await socket.start(STATUS, {"id": machine})
        assert (await stream.next())["machineId"] == machine
        await stage.product.ask(f'mutation {{ destroyMachine(id: "{machine}") {{ success }} }}')
        await stream.end()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_events_begin_after_the_cursor_or_now(stage: Stage, protocol: str) -> None:
    machine = await stage.machine()
    cursor = await stage.last()
    await stage.tell("a", machine, count=3)
    async with stage.socket("owner", protocol) as socket:
        all_of_them = await socket.start(EVENTS, {"id": machine, "after": str(cursor)})
        assert [one["kind"] for one in await events(all_of_them, 3)] == ["a"] * 3
        from_now = await socket.start(EVENTS, {"id": machine})
        own = await socket.start(EVENTS, {"after": cursor})
        assert [one["kind"] for one in await events(own, 3)] == ["a"] * 3
        # A stream that begins now has begun when a later operation on the same socket has been answered.
        await (await socket.start("{ currentUser { id } }")).next()
        last = await stage.tell("b", machine)
        for stream in (all_of_them, from_now, own):
            assert await stream.next() == {"seq": str(last), "kind": "b", "machineId": machine, "data": {}}


async def test_progress_shows_an_operation_until_it_ends(stage: Stage) -> None:
    machine = await stage.machine()
    operation = (
        await stage.product.rows(
            "INSERT INTO operations (kind, host_id, machine_id, steps, state, enqueued_at)"
            " SELECT 'work', host_id, id, 2, 'QUEUED', now() FROM machines WHERE id = %s::uuid RETURNING id::text",
            machine,
        )
    )[0][0]
    await _change(stage, operation, "state = 'QUEUED'")
    async with stage.socket("owner") as socket:
        stream = await socket.start(PROGRESS, {"id": operation})
        assert (await stream.next())["state"] == "QUEUED"
        await _change(stage, operation, "state = 'RUNNING', step = 'a', step_number = 1")
        assert (await stream.next()) == {**_shown(operation), "state": "RUNNING", "step": "a"}
        await _change(stage, operation, "percent = 50")
        assert (await stream.next())["percent"] == 50
        await _change(stage, operation, "state = 'SUCCEEDED', ended_at = now()")
        assert (await stream.next())["state"] == "SUCCEEDED"
        await stream.end()
        ended = await socket.start(PROGRESS, {"id": operation})
        assert (await ended.next())["state"] == "SUCCEEDED"
        await ended.end()


async def test_progress_of_a_removal_is_shown_to_the_owner_until_the_end(stage: Stage) -> None:
    machine = await stage.machine()
    async with stage.socket("owner") as socket:
        everything = await socket.start(EVENTS, {"id": machine, "after": await stage.last()})
        await stage.product.ask(f'mutation {{ destroyMachine(id: "{machine}") {{ success }} }}')
        kinds: list[tuple[str, str | None]] = []
        while not kinds or kinds[-1] != ("operation.updated", "SUCCEEDED"):
            told = await everything.next()
            kinds.append((told["kind"], told["data"].get("state")))
        assert ("machine.destroyed", None) in kinds
        ((removal,),) = await stage.product.rows(
            "SELECT id::text FROM operations WHERE machine_id = %s::uuid AND kind = 'destroy'", machine
        )
        stream = await socket.start(PROGRESS, {"id": removal})
        assert (await stream.next())["state"] == "SUCCEEDED"
        await stream.end()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_what_is_absent_and_what_is_foreign_look_the_same(stage: Stage, protocol: str) -> None:
    machine = await stage.machine()
    ((operation,),) = await stage.product.rows(
        "SELECT id::text FROM operations WHERE machine_id = %s::uuid LIMIT 1", machine
    )
    async with stage.socket("stranger", protocol) as socket:
        for query, kind, foreign in (
            (STATUS, "Machine", machine),
            (EVENTS, "Machine", machine),
            (PROGRESS, "Operation", operation),
        ):
            for wanted in (foreign, str(uuid4()), "no id at all"):
                refusal = await (await socket.start(query, {"id": wanted})).refusal()
                assert refusal == {"message": f"{kind} not found", "code": "NOT_FOUND"}


async def test_a_machine_that_changes_hands(stage: Stage) -> None:
    machine = await stage.machine("owner")
    async with stage.socket("owner") as old, stage.socket("stranger") as new:
        status = await old.start(STATUS, {"id": machine})
        assert (await status.next())["machineId"] == machine
        log = await old.start(EVENTS, {"id": machine, "after": await stage.last()})
        comes = await new.start(STATUS)
        await events(comes, await _count(stage, "stranger"))

        await stage.give(machine, "stranger")

        await status.end()
        assert (await log.next())["kind"] == "machine.released"
        came = await comes.next()
        assert came == {**came, "machineId": machine, "previous": None}
        await stage.status(machine, "running")
        assert (await comes.next())["status"] == "running"
        # The old owner's stream goes on with what was the old owner's, and with nothing of the new one's.
        await stage.give(machine, "owner")
        told = await events(log, 1)
        assert [(one["kind"], one["data"]) for one in told] == [
            ("machine.updated", {"userId": stage.product.users["owner"]})
        ]
        assert (await (await old.start(STATUS, {"id": machine})).next())["status"] == "running"
        refusal = await (await new.start(STATUS, {"id": machine})).refusal()
        assert refusal["code"] == "NOT_FOUND"


async def test_an_owner_whose_id_is_written_in_capitals_is_the_same_one(stage: Stage) -> None:
    machine, owner = await stage.machine(None), stage.product.users["owner"]
    before = await stage.last()
    for _ in range(2):
        assigned = await stage.product.ask(ASSIGN, {"input": {"id": machine.upper(), "userId": owner.upper()}})
        assert assigned["updateMachineUser"]["userId"] == owner
    told = await stage.product.rows("SELECT kind, data->>'userId' FROM events WHERE seq > %s ORDER BY seq", before)
    assert told == [("machine.updated", owner)]


async def test_a_stream_over_plain_http_is_refused(stage: Stage) -> None:
    answer = await stage.product.post(EVENTS, {}, stage.product.tokens["admin"])
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"] == "Subscriptions are answered over a WebSocket only"


async def _count(stage: Stage, owner: str | None) -> int:
    """How many machines somebody sees."""
    user_id = stage.product.users[owner] if owner else None
    ((count,),) = await stage.product.rows(
        "SELECT count(*) FROM machines WHERE user_id = %s::uuid OR %s::uuid IS NULL", user_id, user_id
    )
    return int(count)


async def _change(stage: Stage, operation: str, assignments: str) -> None:
    """Changes an operation's row and tells of it in one statement, as the product does."""
    await stage.product.rows(
        f"WITH o AS (UPDATE operations SET {assignments} WHERE id = %s::uuid RETURNING *)"
        " INSERT INTO events (kind, machine_id, operation_id, owner_id)"
        " SELECT 'operation.updated', o.machine_id, o.id, m.user_id FROM o, machines m WHERE m.id = o.machine_id"
        " RETURNING seq",
        operation,
    )


def _shown(operation: str) -> dict[str, object]:
    return {"id": operation, "state": "", "step": None, "percent": None, "endedAt": None}

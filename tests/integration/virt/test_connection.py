"""The door itself: deadlines, cancelled callers, events that do not pile up. Blocking calls stand in for slow ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import libvirt
import pytest

from infinibay.errors import DeadlineExceeded, HypervisorUnavailable, ObjectMissing
from infinibay.virt.api import ConnectionChanged, DomainChanged
from infinibay.virt.connection import Connection, Deadlines, Kind
from infinibay.virt.event_loop import Inbox
from infinibay.virt.hypervisor import LibvirtHypervisor
from infinibay.virt.subscriptions import Subscriptions
from tests.support.figures import of_this_process
from tests.support.wait import until


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    opened = Connection("test:///default", Deadlines(query=0.1, change=60))
    await opened.open()
    yield opened
    await opened.close()


class Blocker:
    """A call that begins, waits to be let go, and says that it ended."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.ended = threading.Event()

    def __call__(self, connection: libvirt.virConnect) -> str:
        self.begun.set()
        assert self.let_go.wait(60)
        self.ended.set()
        return str(connection.getType())


async def test_a_call_over_its_deadline_raises_and_goes_on(connection: Connection) -> None:
    call = Blocker()
    with pytest.raises(DeadlineExceeded) as raised:
        await connection.call(Kind.QUERY, call)
    assert raised.value.message == "The hypervisor did not answer within 0.1 s; the call may still take effect."
    assert not call.ended.is_set()
    call.let_go.set()
    await until(call.ended.is_set)


async def test_calls_and_their_errors_are_counted_under_the_name_of_what_they_do(connection: Connection) -> None:
    def look_up(found: libvirt.virConnect) -> str:
        return str(found.lookupByName("nothing").name())

    name = "test_connection.test_calls_and_their_errors_are_counted_under_the_name_of_what_they_do"
    with pytest.raises(ObjectMissing):
        await connection.call(Kind.CHANGE, look_up)
    with pytest.raises(ObjectMissing):
        await connection.call(Kind.CHANGE, look_up, counted_as=LibvirtHypervisor.ping)
    for call in (name, "hypervisor.ping"):
        assert of_this_process("infinibay_libvirt_call_errors_total", call=call, error="ObjectMissing") == 1
        assert of_this_process("infinibay_libvirt_call_duration_seconds_count", call=call) >= 1


async def test_calls_that_run_and_wait_are_counted_until_they_end(connection: Connection) -> None:
    def calls() -> float:
        return of_this_process("infinibay_thread_pool_calls", pool="libvirt-query")

    before, first, second = calls(), Blocker(), Blocker()
    for call in (first, second):
        with pytest.raises(DeadlineExceeded):
            await connection.call(Kind.QUERY, call)
    # The second one had not begun, so it was dropped.
    assert (calls() - before, second.begun.is_set()) == (1, False)
    error = {"call": "test_connection.Blocker", "error": "DeadlineExceeded"}
    assert of_this_process("infinibay_libvirt_call_errors_total", **error) >= 2
    first.let_go.set()
    await until(lambda: calls() == before)


async def test_the_loop_is_free_while_a_call_blocks(connection: Connection) -> None:
    call = Blocker()
    task = asyncio.create_task(connection.call(Kind.CHANGE, call))
    await until(call.begun.is_set)
    assert await connection.call(Kind.QUERY, lambda found: found.getType(), seconds=10) == "TEST"
    assert not task.done()
    call.let_go.set()
    assert await task == "TEST"


async def test_a_cancelled_caller_waits_for_a_call_that_runs(connection: Connection) -> None:
    call = Blocker()
    task = asyncio.create_task(connection.call(Kind.CHANGE, call))
    await until(call.begun.is_set)
    task.cancel()
    await connection.call(Kind.QUERY, lambda found: found.getType(), seconds=10)
    assert not task.done()
    task.cancel()
    call.let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert call.ended.is_set()


async def test_a_cancelled_caller_drops_a_call_that_has_not_begun(connection: Connection) -> None:
    blockers = [Blocker() for _ in range(3)]
    running = [asyncio.create_task(connection.call(Kind.CHANGE, blocker)) for blocker in blockers]
    for blocker in blockers:
        await until(blocker.begun.is_set)
    waiting = Blocker()
    task = asyncio.create_task(connection.call(Kind.CHANGE, waiting))
    await connection.call(Kind.QUERY, lambda found: found.getType(), seconds=10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for blocker in blockers:
        blocker.let_go.set()
    assert await asyncio.gather(*running) == ["TEST"] * 3
    assert await connection.call(Kind.CHANGE, lambda found: found.getType()) == "TEST"
    assert not waiting.begun.is_set()


async def test_a_call_that_waits_beyond_its_deadline_never_begins(connection: Connection) -> None:
    blocker, late = Blocker(), Blocker()
    running = asyncio.create_task(connection.call(Kind.QUERY, blocker, seconds=60))
    await until(blocker.begun.is_set)
    with pytest.raises(DeadlineExceeded):
        await connection.call(Kind.QUERY, late)
    blocker.let_go.set()
    assert await running == "TEST"
    assert await connection.call(Kind.QUERY, lambda found: found.getType(), seconds=10) == "TEST"
    assert not late.begun.is_set()


async def test_an_error_that_is_not_libvirts_reaches_the_caller(connection: Connection) -> None:
    def fail(_connection: libvirt.virConnect) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await connection.call(Kind.CHANGE, fail)


async def test_a_hypervisor_that_is_down_is_told_at_once(tmp_path: Path) -> None:
    absent = LibvirtHypervisor(f"qemu+unix:///system?socket={tmp_path}/none", tmp_path)
    await absent.open()
    try:
        assert not absent.connected
        with pytest.raises(HypervisorUnavailable) as raised:
            await absent.ping()
        assert "Failed to connect socket" in raised.value.message
        async with absent.events() as events:
            assert await anext(events) == ConnectionChanged(connected=False)
    finally:
        await absent.close()


async def test_closing_ends_everything(tmp_path: Path) -> None:
    opened = LibvirtHypervisor("test:///default", tmp_path)
    await opened.open()
    async with opened.events() as events:
        assert await anext(events) == ConnectionChanged(connected=True)
        await opened.close()
        assert await anext(events) == ConnectionChanged(connected=False)
    assert not opened.connected
    with pytest.raises(HypervisorUnavailable):
        await opened.ping()
    await opened.close()


async def test_a_slow_listener_is_told_to_look_at_everything() -> None:
    subscriptions = Subscriptions(lambda: True, limit=3)
    async with subscriptions.subscribe() as events:
        for number in range(3):
            subscriptions.publish(DomainChanged(str(number), "started"))
        subscriptions.publish(DomainChanged("last", "started"))
        assert [await anext(events) for _ in range(2)] == [
            ConnectionChanged(connected=True),
            DomainChanged("last", "started"),
        ]


async def test_events_do_not_pile_up_while_the_loop_is_blocked() -> None:
    delivered: list[int] = []
    overflows: list[bool] = []
    inbox: Inbox[int] = Inbox(asyncio.get_running_loop(), delivered.append, lambda: overflows.append(True), limit=5)

    def fill() -> None:
        for number in range(100):
            inbox.put(number)

    thread = threading.Thread(target=fill)
    thread.start()
    # Joining blocks the loop, as a busy process would.
    thread.join()
    assert delivered == []
    await until(lambda: delivered)
    assert delivered == [0, 1, 2, 3, 4]
    assert overflows == [True]
    inbox.put(7)
    await until(lambda: delivered[-1] == 7)
    assert overflows == [True]

"""A stay's end reaches its stream, whatever that does at the moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from infinibay.core.access import Principal, Role
from infinibay.errors import Unauthenticated
from infinibay.events.stays import Stay, Stays

ONE = Principal("one", Role.USER, "first")
OTHER = Principal("two", Role.USER, "second")


async def items(queue: asyncio.Queue[int]) -> AsyncIterator[int]:
    while (item := await queue.get()) >= 0:
        yield item


async def test_items_pass_until_the_stream_ends_by_itself() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    stream, stay = items(queue), Stay(ONE)
    for item in (1, 2, -1):
        queue.put_nowait(item)
    assert [await stay.next(stream), await stay.next(stream)] == [1, 2]
    with pytest.raises(StopAsyncIteration):
        await stay.next(stream)


async def test_the_end_interrupts_waiting() -> None:
    stream, stay = items(asyncio.Queue()), Stay(ONE)
    waiting = asyncio.create_task(stay.next(stream))
    await asyncio.sleep(0)
    stay.end()
    stay.end()
    with pytest.raises(Unauthenticated, match="The session has ended"):
        await waiting
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_after_the_end_no_item_passes() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    queue.put_nowait(1)
    stay = Stay(ONE)
    stay.end()
    with pytest.raises(Unauthenticated):
        await stay.next(items(queue))
    assert queue.qsize() == 1


async def test_an_item_of_the_same_moment_does_not_pass() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    stay = Stay(ONE)
    waiting = asyncio.create_task(stay.next(items(queue)))
    await asyncio.sleep(0)
    queue.put_nowait(1)
    stay.end()
    with pytest.raises(Unauthenticated):
        await waiting


async def test_cancelling_stays_cancelling() -> None:
    stay = Stay(ONE)
    waiting = asyncio.create_task(stay.next(items(asyncio.Queue())))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_stream_s_own_timeout_passes() -> None:
    async def late() -> AsyncIterator[int]:
        raise TimeoutError("its own")
        yield 1

    with pytest.raises(TimeoutError, match="its own"):
        await Stay(ONE).next(late())


def test_stays_are_found_by_user_while_they_last() -> None:
    stays = Stays()
    with stays.entered(ONE) as first, stays.entered(ONE) as second, stays.entered(OTHER) as other:
        assert stays.of_user("one") == {first, second}
        assert stays.of_user("nobody") == set()
        assert stays.all() == {first, second, other}
    assert stays.all() == set()
    assert stays._by_user == {}

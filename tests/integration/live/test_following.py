"""Nothing is missed and nothing comes twice, however clients, listener and log are cut off and come back."""

from __future__ import annotations

import asyncio
import gc
import random
from functools import partial
from typing import Any

import pytest

from infinibay.events.feed import Feed
from tests.integration.live.stage import EVENTS, Stage, events
from tests.support.scale import count
from tests.support.sockets import PROTOCOLS, logged_in
from tests.support.wait import until

_AWAY = 10_000
_SENT = 2500
_LARGE = {"text": "x" * 2000}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_ten_thousand_events_while_away(stage: Stage, protocol: str) -> None:
    machine = await stage.machine()
    cursor = await stage.tell("seen", machine)
    await stage.tell("missed", machine, count=_AWAY)
    await stage.tell("foreign", await stage.machine("stranger"), count=10)
    async with stage.socket("owner", protocol) as socket:
        stream = await socket.start(EVENTS, {"after": str(cursor)})
        told = [await stream.next() for _ in range(_AWAY)]
        assert {one["kind"] for one in told} == {"missed"}
        assert [int(one["seq"]) for one in told] == await _visible(stage, cursor)
        now = await stage.tell("now", machine)
        assert int((await stream.next())["seq"]) == now


async def test_a_client_that_does_not_read_costs_no_memory_and_misses_nothing(stage: Stage) -> None:
    machine = await stage.machine()
    feed = stage.product.services.events._feed
    async with logged_in(stage.product.url, stage.product.tokens["owner"]) as socket:
        cursor = await stage.last()
        stream = await socket.start(EVENTS, {"id": machine, "after": str(cursor)})
        first = await stage.tell("read", machine)
        assert int((await stream.next())["seq"]) == first
        socket.pause()
        for _ in range(50):
            last = await stage.tell("unread", machine, _LARGE, count=100)
            await until(partial(_has_come, feed, last))
            assert len(feed._ring) <= 2000
        socket.resume()
        told = [await stream.next() for _ in range(5000)]
        assert [int(one["seq"]) for one in told] == await _visible(stage, first)


async def test_a_stream_goes_on_when_the_listener_was_cut_off(stage: Stage) -> None:
    machine = await stage.machine()
    async with stage.socket("owner") as socket:
        stream = await socket.start(EVENTS, {"id": machine, "after": str(await stage.last())})
        for _ in range(3):
            await stage.cut_listeners()
            written = [await stage.tell("cut", machine) for _ in range(5)]
            assert [int((await stream.next())["seq"]) for _ in written] == written


async def test_a_stream_keeps_nothing_of_what_it_has_sent(stage: Stage) -> None:
    machine = await stage.machine()

    def objects() -> int:
        gc.collect()
        return len(gc.get_objects())

    async with stage.socket("owner") as socket:
        stream = await socket.start(EVENTS, {"id": machine})
        held = []
        for _ in range(2):
            await stage.tell("sent", machine, count=_SENT)
            await events(stream, _SENT)
            held.append(objects())
    # The ring may have a thousand more events than before, of five objects each.
    assert held[1] - held[0] < 3 * _SENT


async def test_streams_that_are_no_longer_read_leave_nothing_behind(stage: Stage) -> None:
    feed, stays = stage.product.services.events._feed, stage.product.services.streams._stays
    await until(lambda: not feed.has_readers)
    before = len(asyncio.all_tasks())
    for number in range(10):
        async with stage.socket("owner", PROTOCOLS[number % 2]) as socket:
            for _ in range(5):
                await socket.start(EVENTS)
            await (await socket.start("{ currentUser { id } }")).next()
            await until(lambda: len(stays.all()) == 5)
            if number % 3 == 0:
                socket.abort()
            elif number % 3 == 1:
                for name in list(socket.streams):
                    await socket.streams[name].stop()
        await until(lambda: not stays.all() and not feed.has_readers, what="the end of the streams")
    await until(lambda: len(asyncio.all_tasks()) <= before, what="the end of their tasks")


@pytest.mark.parametrize("seed", range(count(6, 200)))
async def test_random_cuts_lose_and_repeat_nothing(stage: Stage, seed: int) -> None:
    """Writers commit in any order; a client reads a while, is cut off, and goes on after the last number it saw."""
    choice = random.Random(seed)
    machines = [await stage.machine(), await stage.machine()]
    foreign = await stage.machine("stranger")
    begin = await stage.last()
    writing = asyncio.create_task(_write(stage, choice, [*machines, foreign]))
    seen: list[int] = []
    while True:
        done = writing.done()
        left = await _visible(stage, seen[-1] if seen else begin)
        if done and not left:
            break
        await _read_a_while(stage, choice, seen, begin)
    await writing
    assert seen == await _visible(stage, begin)
    assert len(seen) > 50


async def _write(stage: Stage, choice: random.Random, machines: list[str]) -> None:
    for _ in range(60):
        await stage.tell("random", choice.choice(machines), count=choice.randint(1, 4))
        if choice.random() < 0.1:
            await stage.cut_listeners()
        if choice.random() < 0.5:
            await asyncio.sleep(choice.random() * 0.01)


async def _read_a_while(stage: Stage, choice: random.Random, seen: list[int], begin: int) -> None:
    token = stage.product.tokens["owner"]
    async with logged_in(stage.product.url, token, choice.choice(PROTOCOLS)) as socket:
        stream = await socket.start(EVENTS, {"after": str(seen[-1] if seen else begin)})
        for _ in range(choice.randint(0, 40)):
            try:
                async with asyncio.timeout(0.2):
                    seen.append(int((await stream.next())["seq"]))
            except TimeoutError:
                break
        if choice.random() < 0.5:
            socket.abort()


async def _visible(stage: Stage, after: int) -> list[int]:
    """The numbers of the owner's events after one."""
    found = await stage.product.rows(
        "SELECT seq FROM events WHERE owner_id = %s::uuid AND seq > %s ORDER BY seq",
        stage.product.users["owner"],
        after,
    )
    return [int(seq) for (seq,) in found]


def _has_come(feed: Feed[Any], seq: int) -> bool:
    return feed.head >= seq

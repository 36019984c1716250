"""The ring of the latest events, and who is woken by them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinibay.events.feed import EVERYTHING, Feed


@dataclass(frozen=True)
class Event:
    seq: int
    about: tuple[str, ...] = field(default=())


def feed(size: int = 10) -> Feed[Event]:
    return Feed(lambda event: event.about, size)


def numbers(found: object) -> list[int] | None:
    return None if found is None else [event.seq for event in found]  # type: ignore[attr-defined]


async def test_events_after_a_cursor_come_from_the_ring_or_must_come_from_the_log() -> None:
    one = feed()
    one.skip_to(100)
    assert numbers(one.after(99, 5)) is None
    assert numbers(one.after(100, 5)) == []
    await one.publish([Event(seq) for seq in (102, 105, 106)])
    assert one.head == 106
    assert [numbers(one.after(cursor, 2)) for cursor in (99, 100, 102, 103, 106, 200)] == [
        None,
        [102, 105],
        [105, 106],
        [105, 106],
        [],
        [],
    ]


async def test_all_news_are_noticed_whether_they_are_read_or_skipped() -> None:
    one, heads = feed(), list[int]()
    one.on_move(lambda: heads.append(one.head))
    await one.publish([Event(1), Event(2)])
    one.skip_to(5)
    one.skip_to(5)
    assert len(heads) == 2
    assert heads[1] == 5


async def test_the_ring_keeps_the_latest_and_never_more_than_twice_its_size() -> None:
    one = feed(10)
    for seq in range(1, 1000):
        await one.publish([Event(seq)])
        kept = one.after(max(0, seq - 10), 100)
        assert kept is not None
        assert len(one._ring) <= 20
    await one.publish([Event(seq) for seq in range(1000, 5000)])
    assert numbers(one.after(4989, 100)) == list(range(4990, 5000))
    assert len(one._ring) <= 20


async def test_skipping_never_goes_back() -> None:
    one = feed()
    await one.publish([Event(5)])
    one.skip_to(3)
    assert numbers(one.after(0, 5)) == [5]
    one.skip_to(9)
    assert one.head == 9
    assert numbers(one.after(5, 5)) is None


async def test_readers_are_woken_by_their_topics_alone() -> None:
    one = feed()
    with one.reading("a") as a, one.reading("b") as b, one.reading(EVERYTHING) as everything:
        await one.publish([Event(1, ("a", "x")), Event(2, ("a",)), Event(3)])
        assert await a.news() == 1
        assert await everything.news() == 1
        await one.publish([Event(4, ("b", "a"))])
        assert [await reader.news() for reader in (a, b, everything)] == [4, 4, 4]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(a.news(), 0.01)
    assert not one.has_readers


async def test_news_between_looking_and_waiting_is_not_missed() -> None:
    one = feed()
    with one.reading("a") as reader:
        waiting = asyncio.create_task(reader.news())
        await asyncio.sleep(0)
        await one.publish([Event(1, ("a",))])
        await one.publish([Event(2, ("a",))])
        assert await waiting == 1
        await one.publish([Event(3, ("a",))])
        assert await reader.news() == 3


async def test_others_have_their_turn_while_many_readers_are_woken() -> None:
    one = feed()
    woken: list[int] = []
    seen: list[int] = []

    async def read() -> None:
        with one.reading("a") as reader:
            woken.append(await reader.news())

    async def look() -> None:
        while True:
            seen.append(len(woken))
            await asyncio.sleep(0)

    reading = [asyncio.create_task(read()) for _ in range(1000)]
    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    await one.publish([Event(1, ("a",)), Event(2, ("a",))])
    await asyncio.gather(*reading)
    looking.cancel()
    assert woken == [1] * 1000
    assert max(later - before for before, later in pairwise(seen)) <= 20


STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=40)


@given(st.lists(st.integers(1, 4), max_size=80), st.integers(1, 8), STEPS)
async def test_whoever_reads_from_ring_and_log_reads_everything_once(
    gaps: list[int], size: int, steps: list[tuple[int, int]]
) -> None:
    """A reader of pages of three, with a list as the log; a step publishes some events and then reads some pages."""
    one, log = feed(size), [Event(seq) for seq in accumulate(gaps)]
    seen = [0]
    published = 0
    for count, pages in [*steps, (len(log), len(log))]:
        await one.publish(log[published : published + count])
        published = min(len(log), published + count)
        for _ in range(pages):
            kept = one.after(seen[-1], 3)
            found = kept if kept is not None else [event for event in log[:published] if event.seq > seen[-1]][:3]
            seen += [event.seq for event in found]
    assert seen == [0, *(event.seq for event in log)]

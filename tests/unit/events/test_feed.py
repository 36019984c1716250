"""The ring of the latest events, and who is woken by them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import accumulate

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


def test_events_after_a_cursor_come_from_the_ring_or_must_come_from_the_log() -> None:
    one = feed()
    one.skip_to(100)
    assert numbers(one.after(99, 5)) is None
    assert numbers(one.after(100, 5)) == []
    one.publish([Event(seq) for seq in (102, 105, 106)])
    assert one.head == 106
    assert [numbers(one.after(cursor, 2)) for cursor in (99, 100, 102, 103, 106, 200)] == [
        None,
        [102, 105],
        [105, 106],
        [105, 106],
        [],
        [],
    ]


def test_the_ring_keeps_the_latest_and_never_more_than_twice_its_size() -> None:
    one = feed(10)
    for seq in range(1, 1000):
        one.publish([Event(seq)])
        kept = one.after(max(0, seq - 10), 100)
        assert kept is not None
        assert len(one._ring) <= 20
    one.publish([Event(seq) for seq in range(1000, 5000)])
    assert numbers(one.after(4989, 100)) == list(range(4990, 5000))
    assert len(one._ring) <= 20


def test_skipping_never_goes_back() -> None:
    one = feed()
    one.publish([Event(5)])
    one.skip_to(3)
    assert numbers(one.after(0, 5)) == [5]
    one.skip_to(9)
    assert one.head == 9
    assert numbers(one.after(5, 5)) is None


async def test_readers_are_woken_by_their_topics_alone() -> None:
    one = feed()
    with one.reading("a") as a, one.reading("b") as b, one.reading(EVERYTHING) as everything:
        one.publish([Event(1, ("a", "x")), Event(2, ("a",)), Event(3)])
        assert await a.news() == 1
        assert await everything.news() == 1
        one.publish([Event(4, ("b", "a"))])
        assert [await reader.news() for reader in (a, b, everything)] == [4, 4, 4]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(a.news(), 0.01)
    assert not one.has_readers


async def test_news_between_looking_and_waiting_is_not_missed() -> None:
    one = feed()
    with one.reading("a") as reader:
        waiting = asyncio.create_task(reader.news())
        await asyncio.sleep(0)
        one.publish([Event(1, ("a",))])
        one.publish([Event(2, ("a",))])
        assert await waiting == 1
        one.publish([Event(3, ("a",))])
        assert await reader.news() == 3


STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=40)


@given(st.lists(st.integers(1, 4), max_size=80), st.integers(1, 8), STEPS)
def test_whoever_reads_from_ring_and_log_reads_everything_once(
    gaps: list[int], size: int, steps: list[tuple[int, int]]
) -> None:
    """A reader of pages of three, with a list as the log; a step publishes some events and then reads some pages."""
    one, log = feed(size), [Event(seq) for seq in accumulate(gaps)]
    seen = [0]
    published = 0
    for count, pages in [*steps, (len(log), len(log))]:
        one.publish(log[published : published + count])
        published = min(len(log), published + count)
        for _ in range(pages):
            kept = one.after(seen[-1], 3)
            found = kept if kept is not None else [event for event in log[:published] if event.seq > seen[-1]][:3]
            seen += [event.seq for event in found]
    assert seen == [0, *(event.seq for event in log)]

"""The latest events in memory, from which all streams of this process read, each by a cursor of its own.

Nothing is kept per reader, so a slow one costs no memory: what has left the ring it reads from the log.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, Protocol, TypeVar

EVERYTHING: Final = "*"
_SIZE = 1000
_WOKEN_AT_ONCE = 20


class Numbered(Protocol):
    """Something with a place in the order of all events."""

    @property
    def seq(self) -> int: ...


E = TypeVar("E", bound=Numbered)


class Reader:
    """Wakes who waits for its topics."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._changed = asyncio.Event()

    async def news(self) -> int:
        """Waits for events of the topics since the last call, or since the reading began; the number of the first."""
        await self._changed.wait()
        self._changed.clear()
        first, self._first = self._first, None
        if first is None:
            raise RuntimeError("woken without an event")
        return first

    def note(self, seq: int) -> None:
        """Tells of an event."""
        if self._first is None:
            self._first = seq
            self._changed.set()


class Feed(Generic[E]):
    """A ring of at least `size` events in the order of their numbers; `topics` names what an event is about."""

    def __init__(self, topics: Callable[[E], Iterable[str]], size: int = _SIZE) -> None:
        self._topics = topics
        self._size = size
        self._ring: list[E] = []
        self._base = 0
        self._head = 0
        self._readers: defaultdict[str, set[Reader]] = defaultdict(set)
        self._movers: list[Callable[[], None]] = []

    @property
    def head(self) -> int:
        """The highest number that was seen; up to it nothing more will come."""
        return self._head

    @property
    def has_readers(self) -> bool:
        return bool(self._readers)

    @contextmanager
    def reading(self, topic: str) -> Iterator[Reader]:
        """A reader of one topic, or of EVERYTHING. Enter, look at the log, then wait: so nothing is missed."""
        reader = Reader()
        self._readers[topic].add(reader)
        try:
            yield reader
        finally:
            self._readers[topic].discard(reader)
            if not self._readers[topic]:
                del self._readers[topic]

    def on_move(self, moved: Callable[[], None]) -> None:
        """Has `moved` called whenever there were new events, whether anybody reads them or not."""
        self._movers.append(moved)

    async def publish(self, events: Sequence[E]) -> None:
        """Takes the events that follow `head` and wakes those whom they concern."""
        self._tell_movers()
        concerned: dict[Reader, int] = {}
        for event in events:
            self._ring.append(event)
            self._head = event.seq
            for topic in {EVERYTHING, *self._topics(event)}:
                for reader in self._readers.get(topic, ()):
                    concerned.setdefault(reader, event.seq)
        # Cut now and then, not for each event.
        if len(self._ring) > 2 * self._size:
            self._base = self._ring[-self._size - 1].seq
            del self._ring[: -self._size]
        for number, (reader, seq) in enumerate(concerned.items(), 1):
            reader.note(seq)
            # Each has work to do now: all at once would keep the loop from everything else.
            if number % _WOKEN_AT_ONCE == 0:
                await asyncio.sleep(0)

    def skip_to(self, seq: int) -> None:
        """Moves on without the events up to `seq`, which nobody here waits for."""
        if seq > self._head:
            self._ring.clear()
            self._base = self._head = seq
            self._tell_movers()

    def _tell_movers(self) -> None:
        for moved in self._movers:
            moved()

    def after(self, cursor: int, limit: int) -> Sequence[E] | None:
        """Up to `limit` events after the cursor; None when some of them are in the log only."""
        if cursor < self._base:
            return None
        start = bisect_right(self._ring, cursor, key=lambda event: event.seq)
        return self._ring[start : start + limit]

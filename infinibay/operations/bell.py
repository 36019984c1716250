"""When the durable engine looks at its queue: often while something goes on, and at once when something was enqueued.

Its threads wait a fixed time between two looks, each of which takes milliseconds of a processor; a host on which
nothing happens would spend a good part of one on them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

_LATELY_SECONDS = 1.0
# What nobody told of, as after a lost connection to the database, is found then.
_IDLE_SECONDS = 1.0
# The engine's other threads wait longer, and need not be disturbed.
_LONGEST = 0.2

_Wait = Callable[[float | None], bool]


class Bell:
    """Shared by those who enqueue, in the event loop, and by the thread that looks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rings = self._answered = 0
        self._stops: list[threading.Event] = []
        self._stirred = time.monotonic()

    def ring(self) -> None:
        """Something was enqueued: the next look comes at once."""
        with self._changed:
            self._rings += 1
            self._stirred = time.monotonic()
            self._changed.notify_all()

    def stir(self) -> None:
        """Something goes on, so that something may be enqueued or become free: looks come often for a moment."""
        with self._changed:
            self._stirred = time.monotonic()
            self._changed.notify_all()

    def hang(self, stops: Iterable[threading.Event]) -> None:
        """From now on the short waits for these events end early, or late, by what is told here."""
        for stop in stops:
            stop.wait = partial(self._wait, stop, stop.wait)  # type: ignore[method-assign]
            self._stops.append(stop)

    def stop(self) -> None:
        """Ends the waits for good."""
        for stop in self._stops:
            stop.set()
        self.stir()

    def _wait(
        self, stop: threading.Event, ordinary: Callable[[float | None], bool], timeout: float | None = None
    ) -> bool:
        if timeout is None or timeout > _LONGEST:
            return ordinary(timeout)
        with self._changed:
            self._changed.wait_for(lambda: stop.is_set() or self._is_lively(), _IDLE_SECONDS)
            self._changed.wait_for(lambda: stop.is_set() or self._rings != self._answered, timeout)
            self._answered = self._rings
        return stop.is_set()

    def _is_lively(self) -> bool:
        return time.monotonic() - self._stirred < _LATELY_SECONDS

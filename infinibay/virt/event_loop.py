"""libvirt's native event loop in a thread of its own, and the way of its events into asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import libvirt

from infinibay.log import get_logger

log = get_logger(__name__)

T = TypeVar("T")

_start_lock = threading.Lock()
_started = False


def ensure_running() -> None:
    """Starts the native loop once per process; must come before the first connection is opened."""
    global _started  # noqa: PLW0603 - libvirt keeps one event loop per process
    with _start_lock:
        if _started:
            return
        # Without a handler libvirt prints every error on stderr as well.
        libvirt.registerErrorHandler(_say_nothing, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run_for_ever, name="libvirt-events", daemon=True).start()
        _started = True


def _say_nothing(_context: object, _error: object) -> None:
    """Every error is raised as an exception too."""


def _run_for_ever() -> None:
    pause = threading.Event()
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            log.error("virt.event_loop_failed", reason=str(error))  # noqa: TRY400 - the sentence says all
            pause.wait(1)


class Inbox(Generic[T]):
    """Hands values from a foreign thread to a function on the asyncio loop; holds at most `limit` of them.

    While the loop is blocked, values beyond the limit are dropped and `overflowed` is called once instead, so memory
    does not grow and nobody mistakes the rest for the whole.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[T], None],
        overflowed: Callable[[], None],
        limit: int = 10_000,
    ) -> None:
        self._loop = loop
        self._deliver = deliver
        self._overflowed = overflowed
        self._limit = limit
        self._lock = threading.Lock()
        self._values: deque[T] = deque()
        self._dropped = False
        self._woken = False

    def put(self, value: T) -> None:
        """Called from any thread; never blocks."""
        with self._lock:
            if len(self._values) < self._limit:
                self._values.append(value)
            else:
                self._dropped = True
            if self._woken:
                return
            self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:
            log.debug("virt.event_after_the_end")  # The asyncio loop is closed: the process is ending.

    def _drain(self) -> None:
        with self._lock:
            values, self._values = self._values, deque()
            dropped, self._dropped, self._woken = self._dropped, False, False
        for value in values:
            self._deliver(value)
        if dropped:
            self._overflowed()

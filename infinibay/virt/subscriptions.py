"""Listeners to the hypervisor's events: bounded queues; a full one says "look at everything" instead of growing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from infinibay.virt.api import ConnectionChanged, HypervisorEvent


class Subscriptions:
    """Fans events out to any number of listeners. Belongs to one asyncio loop."""

    def __init__(self, connected: Callable[[], bool], limit: int = 1000) -> None:
        self._connected = connected
        self._limit = limit
        self._queues: set[asyncio.Queue[HypervisorEvent]] = set()

    def publish(self, event: HypervisorEvent) -> None:
        for queue in self._queues:
            if queue.full():
                self._start_over(queue)
            else:
                queue.put_nowait(event)

    def start_over(self) -> None:
        """Events were lost: every listener must look at everything."""
        for queue in self._queues:
            self._start_over(queue)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[HypervisorEvent]]:
        """The listener's events, the first of which tells the present state of the connection."""
        queue: asyncio.Queue[HypervisorEvent] = asyncio.Queue(self._limit)
        queue.put_nowait(ConnectionChanged(self._connected()))
        self._queues.add(queue)
        try:
            yield _Events(queue)
        finally:
            self._queues.discard(queue)

    def _start_over(self, queue: asyncio.Queue[HypervisorEvent]) -> None:
        while not queue.empty():
            queue.get_nowait()
        # By contract the listener looks at every domain after this event.
        queue.put_nowait(ConnectionChanged(self._connected()))


class _Events:
    """No generator, because one that is cancelled while it waits has ended; listeners wait with a time limit."""

    def __init__(self, queue: asyncio.Queue[HypervisorEvent]) -> None:
        self._queue = queue

    def __aiter__(self) -> AsyncIterator[HypervisorEvent]:
        return self

    async def __anext__(self) -> HypervisorEvent:
        return await self._queue.get()

"""Waking those who wait for an operation: one listener per process, whatever the number of waiters."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from infinibay.db import events
from infinibay.db.client import Database
from infinibay.db.notifications import RESYNC, Listener
from infinibay.errors import DatabaseUnavailable
from infinibay.log import get_logger
from infinibay.operations.pace import backoff

log = get_logger(__name__)


class Wakeups:
    """Sets the events of those who wait for an operation when the log of events speaks of it."""

    def __init__(self, database: Database, database_url: str) -> None:
        self._database = database
        self._listener = Listener(database_url, events.CHANNEL)
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._seen = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._seen = await events.last_seq(self._database)
        self._task = asyncio.create_task(self._listen(), name="operation wakeups")

    async def stop(self) -> None:
        await self._listener.close()
        if self._task is not None:
            await self._task
            self._task = None

    @contextmanager
    def waiting(self, operation_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at each news of the operation. Enter, look, then wait: so nothing is missed."""
        event = asyncio.Event()
        self._waiting[operation_id].add(event)
        try:
            yield event
        finally:
            self._waiting[operation_id].discard(event)
            if not self._waiting[operation_id]:
                del self._waiting[operation_id]

    async def _listen(self) -> None:
        async for message in self._listener:
            # Events are numbered in the order of their commits, so one look covers all up to the highest seen.
            if message is not RESYNC and int(message) <= self._seen:
                continue
            if self._waiting:
                await self._spread()
            elif message is not RESYNC:
                # Whoever begins to wait looks at the operation first, so nobody misses this one.
                self._seen = int(message)

    async def _spread(self) -> None:
        async for _ in backoff():
            try:
                self._seen, touched = await events.operations_since(self._database, self._seen)
            except DatabaseUnavailable:
                continue
            for operation_id in touched & self._waiting.keys():
                for event in self._waiting[operation_id]:
                    event.set()
            return

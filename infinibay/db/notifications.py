"""LISTEN, over a connection of its own that comes back when it is lost."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from infinibay.db.connections import connect
from infinibay.errors import DatabaseUnavailable
from infinibay.log import get_logger

log = get_logger(__name__)

_LONGEST_PAUSE = 5.0
_LONGEST_QUEUE = 1000


class Resync(Enum):
    """Notifications may have been missed: read the table from where you were."""

    RESYNC = "resync"


RESYNC: Final = Resync.RESYNC


class Notice(NamedTuple):
    """What somebody notified."""

    channel: str
    payload: str


class Listener:
    """Iterates what comes through some channels.

    `RESYNC` comes first, as soon as it listens, then after each reconnection, and in place of everything that a slow
    reader let pile up. The iteration ends after `close`. One reader only.
    """

    def __init__(self, url: str, *channels: str) -> None:
        self._url = url
        self._channels = channels
        self._queue: deque[Notice | Resync] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def __aiter__(self) -> Listener:
        return self

    async def __anext__(self) -> Notice | Resync:
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._keep_listening(), name=self._purpose)
            self._task.add_done_callback(lambda _: self._changed.set())
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            if self._task is not None and self._task.done():
                # It never ends by itself, so this raises what ended it.
                self._task.result()
            self._changed.clear()
            await self._changed.wait()
        return self._queue.popleft()

    async def close(self) -> None:
        """Ends the iteration and closes the connection."""
        self._closed = True
        self._queue.clear()
        self._changed.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_listening(self) -> None:
        pause = 0.1
        while True:
            try:
                async with await connect(self._url, self._purpose) as connection:
                    for channel in self._channels:
                        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    self._resync()
                    pause = 0.1
                    async for notification in connection.notifies():
                        self._put(Notice(notification.channel, notification.payload))
            except (DatabaseUnavailable, psycopg.OperationalError) as error:
                log.warning("database.listener_lost", channels=self._channels, error=str(error), again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    @property
    def _purpose(self) -> str:
        return f"listen {' '.join(self._channels)}"

    def _put(self, notice: Notice) -> None:
        if len(self._queue) >= _LONGEST_QUEUE:
            self._resync()
        self._queue.append(notice)
        self._changed.set()

    def _resync(self) -> None:
        self._queue.clear()
        self._queue.append(RESYNC)
        self._changed.set()

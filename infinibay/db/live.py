"""What PostgreSQL announces, handed to the streams of this process: over one connection, whatever their number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from infinibay.db import events, rows, sessions
from infinibay.db.client import Database
from infinibay.db.notifications import RESYNC, Listener
from infinibay.errors import DatabaseUnavailable
from infinibay.events.feed import Feed
from infinibay.events.stays import Stay, Stays
from infinibay.log import get_logger

log = get_logger(__name__)
_PAGE = 500
_LONGEST_PAUSE = 1.0


def new_feed() -> Feed[rows.Event]:
    """A feed of the log's events."""
    return Feed(events.topics)


class LivePump:
    """Reads new events into the feed and ends the stays whose sessions ended."""

    def __init__(self, database: Database, database_url: str, feed: Feed[rows.Event], stays: Stays) -> None:
        self._database = database
        self._listener = Listener(database_url, events.CHANNEL, sessions.CHANNEL)
        self._feed = feed
        self._stays = stays
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """The feed begins with what happens from now on."""
        self._feed.skip_to(await events.last_seq(self._database))
        self._task = asyncio.create_task(self._listen(), name="live pump")

    async def stop(self) -> None:
        await self._listener.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        async for notice in self._listener:
            if notice is RESYNC:
                await self._until_done(self._look_at_all)
            elif notice.channel == events.CHANNEL:
                await self._until_done(partial(self._read, int(notice.payload)))
            else:
                await self._until_done(partial(self._check, self._stays.of_user(notice.payload)))

    async def _until_done(self, look: Callable[[], Awaitable[None]]) -> None:
        """Repeats while the database is away: what was announced must not be lost."""
        pause = 0.1
        while True:
            try:
                await look()
                return
            except DatabaseUnavailable as error:
                log.warning("live.delayed", reason=error.message, again_in=pause)
            except Exception:
                log.exception("live.failed", again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _look_at_all(self) -> None:
        await self._read(await events.last_seq(self._database))
        await self._check(self._stays.all())

    async def _read(self, seq: int) -> None:
        """Takes the events up to `seq` that the feed does not have yet. They are numbered in the order of their
        commits, so there is no other below it any more."""
        while seq > self._feed.head:
            if not self._feed.has_readers:
                # Whoever begins to read looks at the log first, so nobody misses these.
                self._feed.skip_to(seq)
                return
            page = await events.since(self._database, self._feed.head, limit=_PAGE)
            if not page:
                return
            await self._feed.publish(page)

    async def _check(self, stays: set[Stay]) -> None:
        """Ends those whose session does not hold any more."""
        if not stays:
            return
        found = await sessions.holding(self._database, {stay.principal.session_id for stay in stays})
        roles = {session.id: session.user.role for session in found if session.user is not None}
        for stay in stays:
            if roles.get(stay.principal.session_id) != stay.principal.role.value:
                stay.end()

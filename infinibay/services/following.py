"""Following the log of events: from a cursor on, for ever, with nothing missed and nothing twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass

from infinibay.db import events, rows
from infinibay.db.client import Database
from infinibay.events.feed import EVERYTHING, Feed
from infinibay.operations.context import stored

_PAGE = 100


@dataclass(frozen=True)
class Interest:
    """Which events somebody follows: of one owner or all (None), one machine or all, some kinds or all."""

    owner_id: str | None
    machine_id: str | None = None
    kinds: Collection[str] | None = None

    @property
    def topic(self) -> str:
        return self.machine_id or self.owner_id or EVERYTHING

    def covers(self, event: rows.Event) -> bool:
        return (
            (self.owner_id is None or event.ownerId == self.owner_id)
            and (self.machine_id is None or event.machineId == self.machine_id)
            and (self.kinds is None or event.kind in self.kinds)
        )


async def follow(
    database: Database, feed: Feed[rows.Event], interest: Interest, cursor: int
) -> AsyncGenerator[rows.Event]:
    """Events after the cursor for ever: the latest from the feed, and from the log what has left it. An absent
    database is waited for."""
    with feed.reading(interest.topic) as reader:
        while True:
            kept = feed.after(cursor, _PAGE)
            if kept is None:
                found, cursor = await _logged(database, feed, interest, cursor)
            elif kept:
                found, cursor = [event for event in kept if interest.covers(event)], kept[-1].seq
            else:
                # What lies between was about other things.
                cursor = max(cursor, await reader.news() - 1)
                continue
            for event in found:
                yield event


async def _logged(
    database: Database, feed: Feed[rows.Event], interest: Interest, cursor: int
) -> tuple[list[rows.Event], int]:
    """A page of the log, and the number up to which nothing of interest is left."""
    head = feed.head
    page = await stored(
        lambda: events.page(
            database,
            owner_id=interest.owner_id,
            machine_id=interest.machine_id,
            kinds=interest.kinds,
            after_seq=cursor,
            first=_PAGE,
        )
    )
    if len(page) == _PAGE:
        return page, page[-1].seq
    return page, max(head, page[-1].seq if page else 0)

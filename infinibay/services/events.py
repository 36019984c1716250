"""The append-only log of events, as a principal may read and follow it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from infinibay.core.access import Principal, visible_owner
from infinibay.core.identifiers import canonical
from infinibay.db import events, rows
from infinibay.db.client import Database
from infinibay.errors import NotFound
from infinibay.events.feed import Feed
from infinibay.services.following import Interest, follow
from infinibay.services.machines.visible import visible_machine


class EventsService:
    """Events in order of their sequence; a user sees those of machines that were the user's own when they happened."""

    def __init__(self, database: Database, feed: Feed[rows.Event]) -> None:
        self._database = database
        self._feed = feed

    async def page(self, principal: Principal, machine_id: str | None, after_seq: int, first: int) -> list[rows.Event]:
        if machine_id is not None and canonical(machine_id) is None:
            return []
        return await events.page(
            self._database,
            owner_id=visible_owner(principal),
            machine_id=machine_id,
            after_seq=after_seq,
            first=first,
        )

    async def watch(
        self, principal: Principal, machine_id: str | None, after_seq: int | None
    ) -> AsyncGenerator[rows.Event]:
        """Each event after a number, or from now on (None), without an end.

        Raises NotFound for a machine that is not the principal's and of which the principal may see no event either;
        what is left of one that was destroyed or given away is still shown.
        """
        cursor = await events.last_seq(self._database) if after_seq is None else after_seq
        if machine_id is not None and not await self._knows(principal, machine_id):
            raise NotFound("Machine not found")
        return follow(self._database, self._feed, Interest(visible_owner(principal), machine_id), cursor)

    async def _knows(self, principal: Principal, machine_id: str) -> bool:
        if await visible_machine(self._database, principal, machine_id) is not None:
            return True
        return bool(await self.page(principal, machine_id, 0, 1))

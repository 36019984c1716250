"""The append-only log of events, as a principal may read it."""

from __future__ import annotations

from infinibay.core.access import Principal
from infinibay.core.identifiers import canonical
from infinibay.db import events, rows
from infinibay.db.client import Database


class EventsService:
    """Reads events in order of their sequence; a user sees those of own machines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, principal: Principal, machine_id: str | None, after_seq: int, first: int) -> list[rows.Event]:
        if machine_id is not None and canonical(machine_id) is None:
            return []
        return await events.page(
            self._database,
            owner_id=None if principal.is_admin else principal.user_id,
            machine_id=machine_id,
            after_seq=after_seq,
            first=first,
        )

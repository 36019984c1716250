"""The append-only log of events: written with the change it tells of, read from a cursor."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from prisma import types

from infinibay.db import rows
from infinibay.db.client import Database

CHANNEL = "infinibay_events"
# Tell a machine's owner that it is gone, or was given to somebody else.
MACHINE_DESTROYED = "machine.destroyed"
MACHINE_RELEASED = "machine.released"
_APPEND = """
INSERT INTO events (kind, data, machine_id, operation_id, owner_id, actor_id)
VALUES ($1, $2::jsonb, $3::uuid, $4::uuid, $5::uuid, $6::uuid)
"""


async def append(
    db: Database,
    *,
    kind: str,
    data: Mapping[str, Any],
    machine_id: str | None = None,
    operation_id: str | None = None,
    owner_id: str | None = None,
    actor_id: str | None = None,
) -> None:
    """Adds an event. It is the transaction's last statement: numbering holds other writers of events off until the
    commit."""
    await db.execute_raw(_APPEND, kind, json.dumps(dict(data)), machine_id, operation_id, owner_id, actor_id)


async def page(
    db: Database,
    *,
    owner_id: str | None,
    machine_id: str | None,
    after_seq: int,
    first: int,
    kinds: Collection[str] | None = None,
) -> list[rows.Event]:
    """Up to `first` events that follow `after_seq`, oldest first; of one owner's machines or of all (None)."""
    where: types.EventWhereInput = {"seq": {"gt": after_seq}}
    if kinds is not None:
        where["kind"] = {"in": list(kinds)}
    if owner_id is not None:
        where["ownerId"] = owner_id
    if machine_id is not None:
        where["machineId"] = machine_id
    return await db.event.find_many(where=where, order={"seq": "asc"}, take=first)


async def since(db: Database, seq: int, *, limit: int) -> list[rows.Event]:
    """Up to `limit` events after `seq`, oldest first, whomever they concern."""
    return await page(db, owner_id=None, machine_id=None, after_seq=seq, first=limit)


async def last_seq(db: Database) -> int:
    """The highest number given so far, 0 when there is no event."""
    newest = await db.event.find_first(order={"seq": "desc"})
    return newest.seq if newest else 0


def topics(event: rows.Event) -> tuple[str, ...]:
    """What an event is about: ids of its machine, its operation and the machine's owner."""
    return tuple(name for name in (event.machineId, event.operationId, event.ownerId) if name is not None)


async def purge(db: Database, days: int) -> int:
    """Deletes events older than `days`; returns how many."""
    return await db.execute_raw("DELETE FROM events WHERE at < now() - make_interval(days => $1::int)", days)

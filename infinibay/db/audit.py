"""Queries on the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prisma import Json

from infinibay.db.client import Database


async def begin(
    db: Database, *, actor_id: str | None, action: str, machine_id: str | None, arguments: Mapping[str, Any]
) -> int:
    """Writes an entry without a known end; returns its number."""
    # Every mutation waits for this; one statement takes a third of the time of the client's own create.
    written = await db.query_raw(
        "INSERT INTO audit_entries (actor_id, action, machine_id, arguments, result)"
        " VALUES ($1::uuid, $2, $3::uuid, $4::jsonb, 'started') RETURNING id::text AS id",
        actor_id,
        action,
        machine_id,
        Json(dict(arguments)),
    )
    return int(written[0]["id"])


async def purge(db: Database, days: int) -> None:
    """Deletes entries older than `days`."""
    await db.execute_raw("DELETE FROM audit_entries WHERE at < now() - make_interval(days => $1::int)", days)


async def end(db: Database, entry: int, *, actor_id: str | None, machine_id: str | None, result: str) -> None:
    """Adds how it ended, and who and which machine it was where that is known only now."""
    await db.execute_raw(
        "UPDATE audit_entries SET result = $2, actor_id = coalesce(actor_id, $3::uuid),"
        " machine_id = coalesce(machine_id, $4::uuid) WHERE id = $1::bigint",
        entry,
        result,
        actor_id,
        machine_id,
    )

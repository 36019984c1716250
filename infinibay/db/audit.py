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
    row = await db.auditentry.create(
        data={
            "actorId": actor_id,
            "action": action,
            "machineId": machine_id,
            "arguments": Json(dict(arguments)),
            "result": "started",
        }
    )
    return row.id


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

"""The machines' states and the event up to which they hold, read at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from infinibay.db.client import Database

# One statement sees one state of the database: exactly the events up to the highest have had their effect in it.
_PRESENT = """
SELECT s.seq::text AS seq, m.id::text AS id, m.status::text AS status, m.status_reason AS reason,
       coalesce(
         (SELECT e.at FROM events e WHERE e.machine_id = m.id AND e.kind = 'machine.status'
          ORDER BY e.seq DESC LIMIT 1),
         m.created_at
       ) AS at
FROM (SELECT coalesce(max(seq), 0) AS seq FROM events) s
LEFT JOIN machines m ON (m.user_id = $1::uuid OR $1::uuid IS NULL) AND (m.id = $2::uuid OR $2::uuid IS NULL)
ORDER BY m.created_at, m.id
"""


@dataclass(frozen=True)
class PresentState:
    """A machine's status since `at`."""

    machine_id: str
    status: str
    reason: str | None
    at: datetime


async def present(db: Database, *, owner_id: str | None, machine_id: str | None) -> tuple[int, list[PresentState]]:
    """The number of the last event, and the states of one machine or all, of one owner or all (None), oldest first."""
    found = await db.query_raw(_PRESENT, owner_id, machine_id)
    states = [
        PresentState(row["id"], row["status"], row["reason"], datetime.fromisoformat(row["at"]))
        for row in found
        if row["id"] is not None
    ]
    return int(found[0]["seq"]), states

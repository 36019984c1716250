"""Queries on the sessions behind access tokens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from infinibay.db import rows
from infinibay.db.client import Database

# Its messages name a user one of whose sessions ended, or who was deleted or got another role.
CHANNEL = "infinibay_sessions"


# Every request waits for this; one statement takes half of the time of the client's own two.
_HOLDER = """
SELECT u.id::text AS user_id, u.role::text AS role, s.expires_at <= $2::text::timestamptz AS expired,
       s.revoked_at IS NOT NULL OR u.deleted_at IS NOT NULL AS ended
FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1::uuid
"""


@dataclass(frozen=True)
class Holder:
    """The user of a session. `ended`: it was revoked, or the user was deleted; `expired`: its time is over."""

    user_id: str
    role: str
    ended: bool
    expired: bool


async def open_session(db: Database, user_id: str, expires_at: datetime) -> rows.Session:
    return await db.session.create(data={"userId": user_id, "expiresAt": expires_at})


async def holder(db: Database, session_id: str, now: datetime) -> Holder | None:
    """Whose session it is, and how it stands at this moment."""
    found = await db.query_raw(_HOLDER, session_id, now.isoformat())
    return Holder(**found[0]) if found else None


async def holding(db: Database, session_ids: Collection[str]) -> list[rows.Session]:
    """Those sessions that have not ended, with their users, who are not deleted."""
    return await db.session.find_many(
        where={
            "id": {"in": list(session_ids)},
            "revokedAt": None,
            "expiresAt": {"gt": datetime.now(UTC)},
            "user": {"is": {"deletedAt": None}},
        },
        include={"user": True},
    )


async def revoke(db: Database, session_id: str) -> None:
    await db.session.update_many(where={"id": session_id, "revokedAt": None}, data={"revokedAt": datetime.now(UTC)})


async def revoke_all(db: Database, user_id: str) -> int:
    """Ends the sessions of a user that have not ended by themselves; returns how many."""
    now = datetime.now(UTC)
    return await db.session.update_many(
        where={"userId": user_id, "revokedAt": None, "expiresAt": {"gt": now}}, data={"revokedAt": now}
    )


async def purge_expired(db: Database, user_id: str) -> None:
    """Deletes the user's sessions whose time is over."""
    await db.session.delete_many(where={"userId": user_id, "expiresAt": {"lt": datetime.now(UTC)}})

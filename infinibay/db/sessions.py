"""Queries on the sessions behind access tokens."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from infinibay.db import rows
from infinibay.db.client import Database

# Its messages name a user one of whose sessions ended, or who was deleted or got another role.
CHANNEL = "infinibay_sessions"


async def open_session(db: Database, user_id: str, expires_at: datetime) -> rows.Session:
    return await db.session.create(data={"userId": user_id, "expiresAt": expires_at})


async def find_with_user(db: Database, session_id: str) -> rows.Session | None:
    return await db.session.find_unique(where={"id": session_id}, include={"user": True})


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

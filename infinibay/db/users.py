"""Queries on users."""

from __future__ import annotations

from infinibay.db import rows
from infinibay.db.client import Database

_FIRST_USER_LOCK = 7270736903


async def find(db: Database, user_id: str) -> rows.User | None:
    return await db.user.find_unique(where={"id": user_id})


async def find_by_email_key(db: Database, email_key: str) -> rows.User | None:
    return await db.user.find_unique(where={"emailKey": email_key})


async def lock_first(tx: Database) -> bool:
    """Whether there is no user at all; until the transaction ends, nobody else gets that answer."""
    await tx.execute_raw("SELECT pg_advisory_xact_lock($1::bigint)", _FIRST_USER_LOCK)
    return await tx.user.count() == 0


async def create(
    db: Database,
    *,
    email: str,
    email_key: str,
    password_hash: str,
    first_name: str,
    last_name: str,
    role: rows.UserRole,
) -> rows.User:
    """Raises UniqueViolation when the e-mail address is taken."""
    return await db.user.create(
        data={
            "email": email,
            "emailKey": email_key,
            "passwordHash": password_hash,
            "firstName": first_name,
            "lastName": last_name,
            "role": role,
        }
    )


async def set_password_hash(db: Database, user_id: str, password_hash: str) -> None:
    await db.user.update(where={"id": user_id}, data={"passwordHash": password_hash})


async def replace_password_hash(db: Database, user_id: str, old: str, new: str) -> None:
    """Changes the hash only while it is still `old`, so that a password set meanwhile stays."""
    await db.user.update_many(where={"id": user_id, "passwordHash": old}, data={"passwordHash": new})

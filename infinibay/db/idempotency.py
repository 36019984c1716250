"""Queries on idempotency keys: each names one mutation of one user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prisma import Json

from infinibay.db import rows
from infinibay.db.client import Database


async def claim(db: Database, user_id: str, key: str, action: str, fingerprint: str, stale_seconds: int) -> bool:
    """Takes the key, in one statement: a new one, one older than a day, or one whose first call never ended and is
    older than `stale_seconds`. False when it stays somebody's."""
    written = await db.execute_raw(
        "INSERT INTO idempotency_keys (user_id, key, action, fingerprint) VALUES ($1::uuid, $2, $3, $4)"
        " ON CONFLICT (user_id, key) DO UPDATE SET action = excluded.action, fingerprint = excluded.fingerprint,"
        " outcome = NULL, created_at = now()"
        " WHERE idempotency_keys.created_at < now() - interval '24 hours'"
        " OR (idempotency_keys.outcome IS NULL AND idempotency_keys.action = excluded.action"
        " AND idempotency_keys.fingerprint = excluded.fingerprint"
        " AND idempotency_keys.created_at < now() - make_interval(secs => $5::int))",
        user_id,
        key,
        action,
        fingerprint,
        stale_seconds,
    )
    return written == 1


async def find(db: Database, user_id: str, key: str) -> rows.IdempotencyKey | None:
    return await db.idempotencykey.find_unique(where={"userId_key": {"userId": user_id, "key": key}})


async def settle(db: Database, user_id: str, key: str, outcome: Mapping[str, Any]) -> None:
    """Keeps the answer."""
    await db.idempotencykey.update_many(where={"userId": user_id, "key": key}, data={"outcome": Json(dict(outcome))})


async def release(db: Database, user_id: str, key: str) -> None:
    """Frees a key whose call failed without an answer."""
    await db.execute_raw(
        "DELETE FROM idempotency_keys WHERE user_id = $1::uuid AND key = $2 AND outcome IS NULL", user_id, key
    )

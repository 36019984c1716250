"""Queries on idempotency keys: each names one mutation of one user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prisma import Json

from infinibay.db import rows
from infinibay.db.client import Database


async def claim(db: Database, user_id: str, key: str, *, action: str, fingerprint: str) -> bool:
    """Takes a key that is new or older than a day, in one statement. False when it stays as it is."""
    written = await db.execute_raw(
        "INSERT INTO idempotency_keys (user_id, key, action, fingerprint) VALUES ($1::uuid, $2, $3, $4)"
        " ON CONFLICT (user_id, key) DO UPDATE SET action = excluded.action, fingerprint = excluded.fingerprint,"
        " outcome = NULL, created_at = now() WHERE idempotency_keys.created_at < now() - interval '24 hours'",
        user_id,
        key,
        action,
        fingerprint,
    )
    return written == 1


async def find(db: Database, user_id: str, key: str) -> rows.IdempotencyKey | None:
    return await db.idempotencykey.find_unique(where={"userId_key": {"userId": user_id, "key": key}})


async def settle(db: Database, user_id: str, key: str, outcome: Mapping[str, Any]) -> None:
    """Keeps the answer; the first one that is kept stays."""
    await db.execute_raw(
        "UPDATE idempotency_keys SET outcome = $3::jsonb WHERE user_id = $1::uuid AND key = $2 AND outcome IS NULL",
        user_id,
        key,
        Json(dict(outcome)),
    )


async def release(db: Database, user_id: str, key: str) -> None:
    """Frees a key whose call failed without an answer."""
    await db.execute_raw(
        "DELETE FROM idempotency_keys WHERE user_id = $1::uuid AND key = $2 AND outcome IS NULL", user_id, key
    )

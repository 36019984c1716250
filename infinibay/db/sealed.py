"""Queries on sealed secrets of machines; what is stored was encrypted by `infinibay.secrets`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from infinibay.db.client import Database

Purpose = Literal["installation", "graphics"]


async def put_first(tx: Database, machine_id: str, sealed: Mapping[Purpose, str]) -> None:
    """Keeps the sealed texts of a machine that has none."""
    await tx.execute_raw(
        "INSERT INTO secrets (machine_id, purpose, sealed) SELECT $1::uuid, * FROM unnest($2::text[], $3::text[])",
        machine_id,
        list(sealed),
        list(sealed.values()),
    )


async def put(tx: Database, machine_id: str, purpose: Purpose, sealed: str) -> None:
    """Keeps a sealed text, in place of an earlier one."""
    await tx.secret.upsert(
        where={"machineId_purpose": {"machineId": machine_id, "purpose": purpose}},
        data={
            "create": {"machineId": machine_id, "purpose": purpose, "sealed": sealed},
            "update": {"sealed": sealed, "expiresAt": None},
        },
    )


async def find(db: Database, machine_id: str, purpose: Purpose) -> str | None:
    """The sealed text, unless it was erased or has expired."""
    row = await db.secret.find_first(
        where={
            "machineId": machine_id,
            "purpose": purpose,
        }
    )
    if row is None or (row.expiresAt is not None and row.expiresAt <= datetime.now(row.expiresAt.tzinfo)):
        return None
    return row.sealed


async def expire(tx: Database, machine_id: str, purpose: Purpose, at: datetime) -> None:
    await tx.secret.update_many(where={"machineId": machine_id, "purpose": purpose}, data={"expiresAt": at})


async def erase(tx: Database, machine_id: str, purpose: Purpose) -> None:
    await tx.secret.delete_many(where={"machineId": machine_id, "purpose": purpose})

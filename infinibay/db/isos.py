"""Queries on installation media."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prisma import Json

from infinibay.db import rows
from infinibay.db.client import Database

# Any number that no other part uses.
_TURN = 0x49534F


@dataclass(frozen=True)
class IsoValues:
    """What a medium is written with; `sha256` is None until somebody has read the whole file."""

    os: str
    version: str | None
    editions: tuple[str, ...]
    architecture: str | None
    label: str | None
    boots: tuple[str, ...]
    size_bytes: int
    stamp: str
    sha256: str | None
    problem: str | None
    contents: Mapping[str, Any] | None = None


async def find(db: Database, iso_id: str) -> rows.Iso | None:
    return await db.iso.find_unique(where={"id": iso_id})


async def find_by_name(db: Database, filename: str) -> rows.Iso | None:
    return await db.iso.find_unique(where={"filename": filename})


async def find_by_checksum(db: Database, sha256: str) -> rows.Iso | None:
    """A usable medium with this content."""
    return await db.iso.find_first(where={"sha256": sha256, "problem": None})


async def all_by_name(db: Database) -> list[rows.Iso]:
    return await db.iso.find_many(order={"filename": "asc"})


async def without_checksum(db: Database) -> list[rows.Iso]:
    """Those that can be used and whose file was not read as a whole yet."""
    return await db.iso.find_many(where={"sha256": None, "problem": None}, order={"createdAt": "asc"})


async def take_turns(tx: Database) -> None:
    """Changes of the library, of whatever process, wait for each other until their transactions end."""
    await tx.query_raw("SELECT 1 AS turn FROM pg_advisory_xact_lock($1::bigint)", _TURN)


async def put(tx: Database, filename: str, values: IsoValues) -> rows.Iso:
    """Writes what is known of a file, new or not."""
    contents = Json(None if values.contents is None else dict(values.contents))
    return await tx.iso.upsert(
        where={"filename": filename},
        data={
            "create": {
                "filename": filename,
                "os": values.os,
                "version": values.version,
                "editions": list(values.editions),
                "architecture": values.architecture,
                "label": values.label,
                "boots": list(values.boots),
                "sizeBytes": values.size_bytes,
                "stamp": values.stamp,
                "sha256": values.sha256,
                "problem": values.problem,
                "contents": contents,
            },
            "update": {
                "os": values.os,
                "version": values.version,
                "editions": {"set": list(values.editions)},
                "architecture": values.architecture,
                "label": values.label,
                "boots": {"set": list(values.boots)},
                "sizeBytes": values.size_bytes,
                "stamp": values.stamp,
                "sha256": values.sha256,
                "problem": values.problem,
                "contents": contents,
            },
        },
    )


async def release_default(tx: Database, iso_id: str) -> None:
    """It is no longer the chosen one, as it holds another system now."""
    await tx.iso.update_many(where={"id": iso_id}, data={"isDefault": False})


async def miss(db: Database, iso_id: str, problem: str) -> None:
    """Its file is gone; what comes back under the name is looked at anew."""
    await db.iso.update_many(where={"id": iso_id}, data={"stamp": None, "problem": problem})


async def set_checksum(db: Database, iso_id: str, stamp: str, sha256: str) -> None:
    """Keeps the checksum of the content that the stamp stands for, unless the row knows another by now."""
    await db.execute_raw(
        "UPDATE isos SET sha256 = $3, updated_at = now()"
        " WHERE id = $1::uuid AND stamp = $2 AND sha256 IS DISTINCT FROM $3",
        iso_id,
        stamp,
        sha256,
    )


async def verified(db: Database, iso_id: str, at: datetime, problem: str | None) -> None:
    """Keeps when its content was compared with its checksum, and what was wrong with it."""
    await db.iso.update_many(where={"id": iso_id}, data={"lastVerified": at, "problem": problem})


async def choose(tx: Database, row: rows.Iso) -> None:
    """Makes it the chosen medium of its system, in place of any other."""
    await tx.iso.update_many(
        where={"os": row.os, "isDefault": True, "NOT": [{"id": row.id}]}, data={"isDefault": False}
    )
    await tx.iso.update_many(where={"id": row.id}, data={"isDefault": True})


async def lock(tx: Database, iso_id: str) -> rows.Iso | None:
    """The medium, which gets no new machine until the transaction ends."""
    await tx.query_raw("SELECT 1 FROM isos WHERE id = $1::uuid FOR UPDATE", iso_id)
    return await find(tx, iso_id)


async def delete(tx: Database, iso_id: str) -> None:
    await tx.iso.delete_many(where={"id": iso_id})


async def machines_with(tx: Database, path: str) -> list[str]:
    """The names of the machines that have the file in their drive."""
    found = await tx.query_raw(
        "SELECT m.name FROM machines m JOIN machine_configurations c ON c.machine_id = m.id WHERE c.iso_path = $1"
        " ORDER BY m.name",
        path,
    )
    return [str(row["name"]) for row in found]

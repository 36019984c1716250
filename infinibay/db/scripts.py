"""Queries on scripts, and on whose first boot runs them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

from prisma import Json, types

from infinibay.db import rows
from infinibay.db.client import Database
from infinibay.db.patterns import literal


@dataclass(frozen=True)
class ScriptValues:
    """What a script is written with."""

    name: str
    name_key: str
    description: str | None
    category: str | None
    tags: tuple[str, ...]
    format: str
    content: str
    shell: str
    inputs: tuple[dict[str, Any], ...]


async def find(db: Database, script_id: str) -> rows.Script | None:
    """With its author."""
    return await db.script.find_unique(where={"id": script_id}, include={"createdBy": True})


async def list_narrowed(
    db: Database, *, category: str | None, tags: Sequence[str], shells: Sequence[str] | None, search: str | None
) -> list[rows.Script]:
    """By name, with their authors: those that have one of the tags, and the text in name or description."""
    conditions: list[dict[str, Any]] = []
    if category is not None:
        conditions.append({"category": category})
    if tags:
        conditions.append({"tags": {"has_some": list(tags)}})
    if shells is not None:
        conditions.append({"shell": {"in": list(shells)}})
    if search:
        contains = {"contains": literal(search), "mode": "insensitive"}
        conditions.append({"OR": [{"name": contains}, {"description": contains}]})
    return await db.script.find_many(
        where=cast("types.ScriptWhereInput", {"AND": conditions}), include={"createdBy": True}, order={"nameKey": "asc"}
    )


async def count_machines(db: Database, script_ids: Sequence[str]) -> dict[str, int]:
    """For how many first boots each script was chosen, in one statement; the others are left out."""
    found = await db.query_raw(
        "SELECT script_id::text AS id, count(*)::int AS machines FROM machine_scripts"
        " WHERE script_id = ANY($1::uuid[]) GROUP BY script_id",
        list(script_ids),
    )
    return {row["id"]: row["machines"] for row in found}


async def by_ids(db: Database, ids: Collection[str]) -> dict[str, rows.Script]:
    """Those that there are, by id."""
    found = await db.script.find_many(where={"id": {"in": list(ids)}}) if ids else []
    return {row.id: row for row in found}


async def of_machine(db: Database, machine_id: str) -> list[rows.Script]:
    """Those of its first boot, in their order."""
    found = await db.machinescript.find_many(
        where={"machineId": machine_id}, include={"script": True}, order={"position": "asc"}
    )
    return [one.script for one in found if one.script is not None]


async def create(tx: Database, values: ScriptValues, created_by_id: str) -> rows.Script:
    """With its author. Raises UniqueViolation when the name is taken."""
    return await tx.script.create(
        data={
            "name": values.name,
            "nameKey": values.name_key,
            "description": values.description,
            "category": values.category,
            "tags": list(values.tags),
            "format": values.format,
            "content": values.content,
            "shell": values.shell,
            "inputs": Json(list(values.inputs)),
            "createdById": created_by_id,
        },
        include={"createdBy": True},
    )


async def update(tx: Database, script_id: str, values: ScriptValues) -> rows.Script | None:
    """The changed script; None when it is gone. Raises UniqueViolation when the name is taken."""
    return await tx.script.update(
        where={"id": script_id},
        data={
            "name": values.name,
            "nameKey": values.name_key,
            "description": values.description,
            "category": values.category,
            "tags": {"set": list(values.tags)},
            "content": values.content,
            "shell": values.shell,
            "inputs": Json(list(values.inputs)),
        },
        include={"createdBy": True},
    )


async def hold(tx: Database, ids: Sequence[str]) -> bool:
    """Whether there are all of these; they then stay until the transaction ends."""
    found = await tx.query_raw("SELECT 1 FROM scripts WHERE id = ANY($1::uuid[]) FOR KEY SHARE", list(ids))
    return len(found) == len(ids)


async def lock(tx: Database, script_id: str) -> rows.Script | None:
    """The script, which gets to no new machine until the transaction ends."""
    await tx.query_raw("SELECT 1 FROM scripts WHERE id = $1::uuid FOR UPDATE", script_id)
    return await find(tx, script_id)


async def is_awaited(db: Database, script_id: str) -> bool:
    """Whether a machine with it still has to be installed: until then it keeps what its installation needs."""
    found = await db.query_raw(
        "SELECT 1 FROM machine_scripts ms JOIN secrets s ON s.machine_id = ms.machine_id"
        " WHERE ms.script_id = $1::uuid AND s.purpose = 'installation' LIMIT 1",
        script_id,
    )
    return bool(found)


async def delete(tx: Database, script_id: str) -> None:
    """With what is kept of the first boots that it was chosen for."""
    await tx.machinescript.delete_many(where={"scriptId": script_id})
    await tx.script.delete_many(where={"id": script_id})

"""Queries on the categories of machine templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infinibay.db import rows
from infinibay.db.client import Database


@dataclass(frozen=True)
class Totals:
    """What hangs on a category."""

    templates: int = 0
    machines: int = 0


async def find(db: Database, category_id: str) -> rows.MachineTemplateCategory | None:
    return await db.machinetemplatecategory.find_unique(where={"id": category_id})


async def list_all(db: Database) -> list[rows.MachineTemplateCategory]:
    """By name."""
    return await db.machinetemplatecategory.find_many(order={"nameKey": "asc"})


async def totals(db: Database, category_ids: Sequence[str]) -> dict[str, Totals]:
    """Templates and their machines of each category, in one statement; empty categories are left out."""
    found = await db.query_raw(
        "SELECT t.category_id::text AS id, count(DISTINCT t.id)::int AS templates, count(m.id)::int AS machines"
        " FROM machine_templates t LEFT JOIN machines m ON m.template_id = t.id"
        " WHERE t.category_id = ANY($1::uuid[]) GROUP BY t.category_id",
        list(category_ids),
    )
    return {row["id"]: Totals(row["templates"], row["machines"]) for row in found}


async def create(tx: Database, name: str, name_key: str, description: str | None) -> rows.MachineTemplateCategory:
    """Raises UniqueViolation when the name is taken."""
    return await tx.machinetemplatecategory.create(data={"name": name, "nameKey": name_key, "description": description})


async def update(
    tx: Database, category_id: str, name: str, name_key: str, description: str | None
) -> rows.MachineTemplateCategory | None:
    """The changed category; None when it is gone. Raises UniqueViolation when the name is taken."""
    return await tx.machinetemplatecategory.update(
        where={"id": category_id}, data={"name": name, "nameKey": name_key, "description": description}
    )


async def hold(tx: Database, category_id: str) -> bool:
    """Whether there is such a category; it then stays until the transaction ends."""
    return bool(
        await tx.query_raw("SELECT 1 FROM machine_template_categories WHERE id = $1::uuid FOR KEY SHARE", category_id)
    )


async def lock(tx: Database, category_id: str) -> rows.MachineTemplateCategory | None:
    """The category, which gets no new template until the transaction ends."""
    await tx.query_raw("SELECT 1 FROM machine_template_categories WHERE id = $1::uuid FOR UPDATE", category_id)
    return await find(tx, category_id)


async def delete(tx: Database, category_id: str) -> None:
    await tx.machinetemplatecategory.delete_many(where={"id": category_id})

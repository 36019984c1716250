"""Queries on machine templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from prisma import types

from infinibay.db import rows
from infinibay.db.client import Database

OrderColumn = Literal["id", "name", "cores", "ram", "storage", "createdAt"]
_COLUMNS = {"name": "nameKey", "ram": "ramGB", "storage": "storageGB"}


@dataclass(frozen=True)
class TemplateValues:
    """What a template is written with; sizes in GB."""

    name: str
    name_key: str
    description: str | None
    cores: int
    ram_gb: int
    storage_gb: int
    category_id: str | None


async def find(db: Database, template_id: str) -> rows.MachineTemplate | None:
    return await db.machinetemplate.find_unique(where={"id": template_id})


async def list_ordered(
    db: Database, *, order: OrderColumn, descending: bool, take: int | None, skip: int
) -> list[rows.MachineTemplate]:
    """Templates of equal rank come by id, so that pages neither repeat nor miss one."""
    direction: Literal["asc", "desc"] = "desc" if descending else "asc"
    orders = [{_COLUMNS.get(order, order): direction}, *([] if order == "id" else [{"id": "asc"}])]
    return await db.machinetemplate.find_many(
        order=cast("list[types.MachineTemplateOrderByInput]", orders), take=take, skip=skip
    )


async def count(db: Database) -> int:
    return await db.machinetemplate.count()


async def count_machines(db: Database, template_ids: Sequence[str]) -> dict[str, int]:
    """How many machines each template has, in one statement; those without any are left out."""
    found = await db.query_raw(
        "SELECT template_id::text AS id, count(*)::int AS machines FROM machines"
        " WHERE template_id = ANY($1::uuid[]) GROUP BY template_id",
        list(template_ids),
    )
    return {row["id"]: row["machines"] for row in found}


async def create(tx: Database, values: TemplateValues) -> rows.MachineTemplate:
    """Raises UniqueViolation when the name is taken."""
    return await tx.machinetemplate.create(
        data={
            "name": values.name,
            "nameKey": values.name_key,
            "description": values.description,
            "cores": values.cores,
            "ramGB": values.ram_gb,
            "storageGB": values.storage_gb,
            "categoryId": values.category_id,
        }
    )


async def update(tx: Database, template_id: str, values: TemplateValues) -> rows.MachineTemplate | None:
    """The changed template; None when it is gone. Raises UniqueViolation when the name is taken."""
    category: types.MachineTemplateCategoryUpdateOneWithoutRelationsInput = (
        {"connect": {"id": values.category_id}} if values.category_id else {"disconnect": True}
    )
    return await tx.machinetemplate.update(
        where={"id": template_id},
        data={
            "name": values.name,
            "nameKey": values.name_key,
            "description": values.description,
            "cores": values.cores,
            "ramGB": values.ram_gb,
            "storageGB": values.storage_gb,
            "category": category,
        },
    )


async def lock(tx: Database, template_id: str) -> rows.MachineTemplate | None:
    """The template, which gets no new machine until the transaction ends."""
    await tx.query_raw("SELECT 1 FROM machine_templates WHERE id = $1::uuid FOR UPDATE", template_id)
    return await find(tx, template_id)


async def delete(tx: Database, template_id: str) -> None:
    await tx.machinetemplate.delete_many(where={"id": template_id})

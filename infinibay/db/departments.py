"""Queries on departments."""

from __future__ import annotations

from collections.abc import Sequence

from infinibay.db import rows
from infinibay.db.client import Database


async def list_visible(db: Database, owner_id: str | None) -> list[rows.Department]:
    """Departments with a machine of the owner, or all (None), by name."""
    return await db.department.find_many(
        where={} if owner_id is None else {"machines": {"some": {"userId": owner_id}}},
        order={"nameKey": "asc"},
    )


async def count_machines(db: Database, department_ids: Sequence[str], owner_id: str | None) -> dict[str, int]:
    """How many machines of the owner, or of anybody (None), each department has, in one statement."""
    found = await db.query_raw(
        "SELECT department_id::text AS id, count(*)::int AS machines FROM machines"
        " WHERE department_id = ANY($1::uuid[]) AND ($2::uuid IS NULL OR user_id = $2::uuid) GROUP BY department_id",
        list(department_ids),
        owner_id,
    )
    return {row["id"]: row["machines"] for row in found}


async def find(db: Database, department_id: str) -> rows.Department | None:
    return await db.department.find_unique(where={"id": department_id})


async def find_by_name_key(db: Database, name_key: str) -> rows.Department | None:
    return await db.department.find_unique(where={"nameKey": name_key})


async def create(db: Database, name: str, name_key: str) -> rows.Department:
    """Raises UniqueViolation when the name is taken."""
    return await db.department.create(data={"name": name, "nameKey": name_key})


async def rename(db: Database, department_id: str, name: str, name_key: str) -> rows.Department | None:
    """The renamed department; None when it is gone. Raises UniqueViolation when the name is taken."""
    return await db.department.update(where={"id": department_id}, data={"name": name, "nameKey": name_key})


async def hold(tx: Database, department_id: str) -> bool:
    """Whether there is such a department; it then stays until the transaction ends."""
    return bool(await tx.query_raw("SELECT 1 FROM departments WHERE id = $1::uuid FOR KEY SHARE", department_id))


async def lock(tx: Database, department_id: str) -> rows.Department | None:
    """The department, which gets no new machine until the transaction ends."""
    await tx.query_raw("SELECT 1 FROM departments WHERE id = $1::uuid FOR UPDATE", department_id)
    return await find(tx, department_id)


async def delete(db: Database, department_id: str) -> bool:
    """False when it was gone already. The database refuses while a machine belongs to it."""
    return await db.department.delete_many(where={"id": department_id}) > 0

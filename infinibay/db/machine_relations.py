"""The rows that a list of machines refers to, each read once for all of them.

With `include` the engine would repeat a parent in every child, which takes most of a long list's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, TypeAlias

from infinibay.db import rows
from infinibay.db.client import Database

Relation: TypeAlias = Literal["user", "department", "template", "configuration", "host"]


async def join(db: Database, found: Sequence[rows.Machine], relations: Collection[Relation]) -> None:
    """Sets the relations of the machines, by one statement for each; the others stay None."""
    readers = {
        "user": _users,
        "department": _departments,
        "template": _templates,
        "configuration": _configurations,
        "host": _hosts,
    }
    await asyncio.gather(*(readers[relation](db, found) for relation in relations))


async def _users(db: Database, found: Sequence[rows.Machine]) -> None:
    read = await db.user.find_many(where={"id": {"in": _distinct(one.userId for one in found)}})
    users = {row.id: row for row in read}
    for one in found:
        one.user = users.get(one.userId or "")


async def _departments(db: Database, found: Sequence[rows.Machine]) -> None:
    read = await db.department.find_many(where={"id": {"in": _distinct(one.departmentId for one in found)}})
    departments = {row.id: row for row in read}
    for one in found:
        one.department = departments.get(one.departmentId)


async def _templates(db: Database, found: Sequence[rows.Machine]) -> None:
    read = await db.machinetemplate.find_many(where={"id": {"in": _distinct(one.templateId for one in found)}})
    templates = {row.id: row for row in read}
    for one in found:
        one.template = templates.get(one.templateId or "")


async def _configurations(db: Database, found: Sequence[rows.Machine]) -> None:
    read = await db.machineconfiguration.find_many(where={"machineId": {"in": [one.id for one in found]}})
    configurations = {row.machineId: row for row in read}
    for one in found:
        one.configuration = configurations.get(one.id)


async def _hosts(db: Database, found: Sequence[rows.Machine]) -> None:
    read = await db.host.find_many(where={"id": {"in": _distinct(one.hostId for one in found)}})
    hosts = {row.id: row for row in read}
    for one in found:
        one.host = hosts.get(one.hostId)


def _distinct(ids: Iterable[str | None]) -> list[str]:
    return sorted({one for one in ids if one is not None})

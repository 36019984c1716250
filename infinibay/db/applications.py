"""Queries on applications, and on which machines have them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from prisma import Json, types

from infinibay.db import rows
from infinibay.db.client import Database


@dataclass(frozen=True)
class ApplicationValues:
    """What an application is written with."""

    name: str
    name_key: str
    description: str | None
    os: tuple[str, ...]
    install_command: Mapping[str, Any]
    parameters: Mapping[str, Any]


async def find(db: Database, application_id: str) -> rows.Application | None:
    return await db.application.find_unique(where={"id": application_id})


async def list_all(db: Database) -> list[rows.Application]:
    """By name."""
    return await db.application.find_many(order={"nameKey": "asc"})


async def by_ids(db: Database, ids: Collection[str]) -> dict[str, rows.Application]:
    """Those that there are, by id."""
    found = await db.application.find_many(where={"id": {"in": list(ids)}}) if ids else []
    return {row.id: row for row in found}


async def of_machine(db: Database, machine_id: str) -> list[rows.Application]:
    """By name."""
    return await db.application.find_many(
        where={"machines": {"some": {"machineId": machine_id}}}, order={"nameKey": "asc"}
    )


async def create(tx: Database, values: ApplicationValues) -> rows.Application:
    """Raises UniqueViolation when the name is taken."""
    return await tx.application.create(data=_new(values))


async def create_missing(tx: Database, wanted: Sequence[ApplicationValues]) -> None:
    """Those whose names are not taken."""
    await tx.application.create_many(
        data=[cast("types.ApplicationCreateWithoutRelationsInput", _new(one)) for one in wanted], skip_duplicates=True
    )


async def update(tx: Database, application_id: str, values: ApplicationValues) -> rows.Application | None:
    """The changed application; None when it is gone. Raises UniqueViolation when the name is taken."""
    return await tx.application.update(
        where={"id": application_id},
        data={
            "name": values.name,
            "nameKey": values.name_key,
            "description": values.description,
            "os": {"set": list(values.os)},
            "installCommand": Json(dict(values.install_command)),
            "parameters": Json(dict(values.parameters)),
        },
    )


async def hold(tx: Database, ids: Sequence[str]) -> bool:
    """Whether there are all of these; they then stay until the transaction ends."""
    found = await tx.query_raw("SELECT 1 FROM applications WHERE id = ANY($1::uuid[]) FOR KEY SHARE", list(ids))
    return len(found) == len(ids)


async def lock(tx: Database, application_id: str) -> rows.Application | None:
    """The application, which gets to no new machine until the transaction ends."""
    await tx.query_raw("SELECT 1 FROM applications WHERE id = $1::uuid FOR UPDATE", application_id)
    return await find(tx, application_id)


async def count_machines(db: Database, application_id: str) -> int:
    return await db.machineapplication.count(where={"applicationId": application_id})


async def delete(tx: Database, application_id: str) -> None:
    await tx.application.delete_many(where={"id": application_id})


def _new(values: ApplicationValues) -> types.ApplicationCreateInput:
    return {
        "name": values.name,
        "nameKey": values.name_key,
        "description": values.description,
        "os": list(values.os),
        "installCommand": Json(dict(values.install_command)),
        "parameters": Json(dict(values.parameters)),
    }

"""Applications as clients see them."""

from __future__ import annotations

import strawberry

from infinibay.db import rows
from infinibay.graphql.scalars import DateTimeISO, JSONObject


@strawberry.type
class ApplicationType:
    """`installCommand` has a command or a list of commands for each system or family; `{{name}}` in them stands for the
    parameter's value. `parameters` has by name a default or a definition."""

    id: strawberry.ID
    name: str
    description: str | None
    os: list[str]
    install_command: JSONObject
    parameters: JSONObject | None
    icon: str | None
    created_at: DateTimeISO

    @classmethod
    def from_row(cls, row: rows.Application) -> ApplicationType:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            description=row.description,
            os=row.os,
            install_command=JSONObject(dict(row.installCommand)),
            parameters=JSONObject(dict(row.parameters)),
            icon=row.icon,
            created_at=DateTimeISO(row.createdAt),
        )

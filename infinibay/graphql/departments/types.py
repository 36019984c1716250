"""Departments as clients see them."""

from __future__ import annotations

import strawberry

from infinibay.db import rows
from infinibay.graphql.scalars import DateTimeISO
from infinibay.services.departments import DepartmentView


@strawberry.type
class DepartmentType:
    id: strawberry.ID
    name: str
    created_at: DateTimeISO
    internet_speed: int | None
    ip_subnet: str | None
    total_machines: float | None

    @classmethod
    def from_row(cls, row: rows.Department, total_machines: int | None = None) -> DepartmentType:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            created_at=DateTimeISO(row.createdAt),
            internet_speed=row.internetSpeed,
            ip_subnet=row.ipSubnet,
            total_machines=total_machines,
        )

    @classmethod
    def from_result(cls, view: DepartmentView) -> DepartmentType:
        return cls.from_row(view.row, view.total_machines)

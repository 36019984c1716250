"""Reading departments."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info
from infinibay.graphql.departments.types import DepartmentType


@strawberry.type
class DepartmentQueries:
    @strawberry.field
    async def departments(self, info: Info) -> list[DepartmentType]:
        """The departments that the caller may see, by name."""
        views = await info.context.services.departments.list(info.context.caller)
        return [DepartmentType.from_result(view) for view in views]

    @strawberry.field
    async def department(self, info: Info, id: str) -> DepartmentType | None:
        """One department; null when it is absent or not the caller's."""
        view = await info.context.services.departments.find(info.context.caller, known_id(id))
        return DepartmentType.from_result(view) if view else None

    @strawberry.field
    async def find_department_by_name(self, info: Info, name: str) -> DepartmentType | None:
        """The department of this name, compared without case."""
        view = await info.context.services.departments.find_by_name(info.context.caller, name)
        return DepartmentType.from_result(view) if view else None

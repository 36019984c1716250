"""Changing departments."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info
from infinibay.graphql.departments.inputs import UpdateDepartmentNameInput
from infinibay.graphql.departments.types import DepartmentType


@strawberry.type
class DepartmentMutations:
    @strawberry.mutation
    async def create_department(self, info: Info, name: str) -> DepartmentType:
        """Makes a department with its rule set."""
        return DepartmentType.from_result(await info.context.services.departments.create(info.context.caller, name))

    @strawberry.mutation
    async def update_department_name(self, info: Info, input: UpdateDepartmentNameInput) -> DepartmentType:
        """Renames a department."""
        department_id = known_id(input.id)
        view = await info.context.services.departments.rename(info.context.caller, department_id, input.name)
        return DepartmentType.from_result(view)

    @strawberry.mutation
    async def destroy_department(self, info: Info, id: str) -> DepartmentType:
        """Removes a department without machines; answers what it was."""
        view = await info.context.services.departments.destroy(info.context.caller, known_id(id))
        return DepartmentType.from_result(view)

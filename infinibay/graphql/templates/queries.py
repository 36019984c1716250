"""Reading templates and their categories."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import PaginationInputType, known_id, window
from infinibay.graphql.context import Info
from infinibay.graphql.templates.inputs import MachineTemplateOrderBy
from infinibay.graphql.templates.types import MachineTemplateCategoryType, MachineTemplateType

_FIRST_PAGE = 10


@strawberry.type
class TemplateQueries:
    @strawberry.field
    async def machine_template(self, info: Info, id: str) -> MachineTemplateType | None:
        """One template; null when it is absent."""
        view = await info.context.services.templates.find(known_id(id))
        return MachineTemplateType.from_result(view) if view else None

    @strawberry.field
    async def machine_templates(
        self,
        info: Info,
        pagination: PaginationInputType | None = strawberry.UNSET,
        order_by: MachineTemplateOrderBy | None = strawberry.UNSET,
    ) -> list[MachineTemplateType]:
        """Templates, the newest first unless ordered otherwise; without pagination the first ten."""
        take, skip = window(pagination, _FIRST_PAGE)
        order = (order_by or MachineTemplateOrderBy()).to_request()
        views = await info.context.services.templates.list(order, take, skip)
        return [MachineTemplateType.from_result(view) for view in views]

    @strawberry.field
    async def machine_template_category(self, info: Info, id: str) -> MachineTemplateCategoryType | None:
        """One category; null when it is absent."""
        view = await info.context.services.template_categories.find(known_id(id))
        return MachineTemplateCategoryType.from_result(view) if view else None

    @strawberry.field
    async def machine_template_categories(self, info: Info) -> list[MachineTemplateCategoryType]:
        """All categories, by name."""
        views = await info.context.services.template_categories.list()
        return [MachineTemplateCategoryType.from_result(view) for view in views]

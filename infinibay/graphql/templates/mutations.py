"""Changing templates and their categories."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info
from infinibay.graphql.templates.inputs import MachineTemplateCategoryInputType, MachineTemplateInputType
from infinibay.graphql.templates.types import MachineTemplateCategoryType, MachineTemplateType


@strawberry.type
class TemplateMutations:
    @strawberry.mutation
    async def create_machine_template(self, info: Info, input: MachineTemplateInputType) -> MachineTemplateType:
        """Makes a template."""
        view = await info.context.services.templates.create(info.context.caller, input.to_request())
        return MachineTemplateType.from_result(view)

    @strawberry.mutation
    async def update_machine_template(
        self, info: Info, id: str, input: MachineTemplateInputType
    ) -> MachineTemplateType:
        """Changes a template; machines that were made with it keep their sizes."""
        templates, request = info.context.services.templates, input.to_request()
        return MachineTemplateType.from_result(await templates.update(info.context.caller, known_id(id), request))

    @strawberry.mutation
    async def destroy_machine_template(self, info: Info, id: str) -> bool:
        """Removes a template that no machine was made with."""
        await info.context.services.templates.destroy(info.context.caller, known_id(id))
        return True

    @strawberry.mutation
    async def create_machine_template_category(
        self, info: Info, input: MachineTemplateCategoryInputType
    ) -> MachineTemplateCategoryType:
        """Makes a category."""
        view = await info.context.services.template_categories.create(info.context.caller, input.to_request())
        return MachineTemplateCategoryType.from_result(view)

    @strawberry.mutation
    async def update_machine_template_category(
        self, info: Info, id: str, input: MachineTemplateCategoryInputType
    ) -> MachineTemplateCategoryType:
        """Changes a category."""
        categories, request = info.context.services.template_categories, input.to_request()
        view = await categories.update(info.context.caller, known_id(id), request)
        return MachineTemplateCategoryType.from_result(view)

    @strawberry.mutation
    async def destroy_machine_template_category(self, info: Info, id: str) -> bool:
        """Removes a category without templates."""
        await info.context.services.template_categories.destroy(info.context.caller, known_id(id))
        return True

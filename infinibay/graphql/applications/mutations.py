"""Changing applications."""

from __future__ import annotations

import strawberry

from infinibay.graphql.applications.inputs import CreateApplicationInputType
from infinibay.graphql.applications.types import ApplicationType
from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info


@strawberry.type
class ApplicationMutations:
    @strawberry.mutation
    async def create_application(self, info: Info, input: CreateApplicationInputType) -> ApplicationType:
        """Makes an application that new machines can have installed."""
        row = await info.context.services.applications.create(info.context.caller, input.to_request())
        return ApplicationType.from_row(row)

    @strawberry.mutation
    async def update_application(self, info: Info, id: str, input: CreateApplicationInputType) -> ApplicationType:
        """Takes the place of all that it was; what is installed already stays as it is."""
        applications, request = info.context.services.applications, input.to_request()
        return ApplicationType.from_row(await applications.update(info.context.caller, known_id(id), request))

    @strawberry.mutation
    async def delete_application(self, info: Info, id: str) -> bool:
        """Removes an application that no machine was made with."""
        await info.context.services.applications.delete(info.context.caller, known_id(id))
        return True

"""Reading applications."""

from __future__ import annotations

import strawberry

from infinibay.graphql.applications.types import ApplicationType
from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info


@strawberry.type
class ApplicationQueries:
    @strawberry.field
    async def application(self, info: Info, id: str) -> ApplicationType | None:
        """One application; null when it is absent."""
        row = await info.context.services.applications.find(known_id(id))
        return ApplicationType.from_row(row) if row else None

    @strawberry.field
    async def applications(self, info: Info) -> list[ApplicationType]:
        """All applications, by name."""
        return [ApplicationType.from_row(row) for row in await info.context.services.applications.list()]

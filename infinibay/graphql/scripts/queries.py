"""Reading scripts."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info
from infinibay.graphql.scripts.inputs import ScriptFiltersInput
from infinibay.graphql.scripts.types import ScriptType


@strawberry.type
class ScriptQueries:
    @strawberry.field
    async def script(self, info: Info, id: strawberry.ID) -> ScriptType | None:
        """One script; null when it is absent."""
        view = await info.context.services.scripts.find(info.context.caller, known_id(id))
        return ScriptType.from_result(view) if view else None

    @strawberry.field
    async def scripts(self, info: Info, filters: ScriptFiltersInput | None = strawberry.UNSET) -> list[ScriptType]:
        """The scripts that fit, by name."""
        wanted = (filters or ScriptFiltersInput()).to_request()
        views = await info.context.services.scripts.list(info.context.caller, wanted)
        return [ScriptType.from_result(view) for view in views]

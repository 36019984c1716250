"""Changing scripts."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info
from infinibay.graphql.scripts.inputs import CreateScriptInput, UpdateScriptInput
from infinibay.graphql.scripts.types import ScriptResponseType


@strawberry.type
class ScriptMutations:
    @strawberry.mutation
    async def create_script(self, info: Info, input: CreateScriptInput) -> ScriptResponseType:
        """Makes a script that new machines can run at their first boot."""
        answer = await info.context.services.scripts.create(info.context.caller, input.to_request())
        return ScriptResponseType.from_result(answer)

    @strawberry.mutation
    async def update_script(self, info: Info, input: UpdateScriptInput) -> ScriptResponseType:
        """Changes a script; a machine that is not yet installed gets it as it is then."""
        scripts, changes = info.context.services.scripts, input.to_changes()
        answer = await scripts.update(info.context.caller, known_id(input.id), changes)
        return ScriptResponseType.from_result(answer)

    @strawberry.mutation
    async def delete_script(self, info: Info, id: strawberry.ID, force: bool | None = False) -> ScriptResponseType:
        """Removes a script that no machine was made with; with `force` also one that no machine still waits for."""
        scripts = info.context.services.scripts
        answer = await scripts.delete(info.context.caller, known_id(id), force=bool(force))
        return ScriptResponseType.from_result(answer)

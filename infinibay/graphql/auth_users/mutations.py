"""Logging in and out."""

from __future__ import annotations

import strawberry

from infinibay.graphql.auth_users.types import LoginResponse
from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info


@strawberry.type
class UserMutations:
    @strawberry.mutation(description="Opens a session; its token goes into the header Authorization.")
    async def login(self, info: Info, email: str, password: str) -> LoginResponse | None:
        return LoginResponse.from_result(await info.context.services.auth.login(email, password))

    @strawberry.mutation(description="Ends the session of the token.")
    async def logout(self, info: Info) -> bool:
        await info.context.services.auth.logout(info.context.caller)
        return True

    @strawberry.mutation(description="Ends all sessions of a user, the own or as administrator; answers how many.")
    async def revoke_sessions(self, info: Info, user_id: strawberry.ID) -> int:
        return await info.context.services.auth.revoke_sessions(info.context.caller, known_id(user_id))

"""Logging in and out."""

from __future__ import annotations

import strawberry

from infinibay.graphql.auth_users.types import LoginResponse
from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info


@strawberry.type
class UserMutations:
    @strawberry.mutation
    async def login(self, info: Info, email: str, password: str) -> LoginResponse | None:
        """Opens a session; its token goes into the header Authorization."""
        return LoginResponse.from_result(await info.context.services.auth.login(email, password))

    @strawberry.mutation
    async def logout(self, info: Info) -> bool:
        """Ends the session of the token."""
        await info.context.services.auth.logout(info.context.caller)
        return True

    @strawberry.mutation
    async def revoke_sessions(self, info: Info, user_id: strawberry.ID) -> int:
        """Ends all sessions of a user, the own or as administrator; answers how many."""
        return await info.context.services.auth.revoke_sessions(info.context.caller, known_id(user_id))

"""Who is asking."""

from __future__ import annotations

import strawberry

from infinibay.graphql.auth_users.types import UserType
from infinibay.graphql.context import Info


@strawberry.type
class UserQueries:
    @strawberry.field
    async def current_user(self, info: Info) -> UserType | None:
        """The user behind the token."""
        return UserType.from_row(await info.context.services.auth.current_user(info.context.caller))

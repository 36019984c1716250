"""Who is asking, and who there is."""

from __future__ import annotations

import strawberry

from infinibay.graphql.auth_users.inputs import UserOrderByInputType
from infinibay.graphql.auth_users.types import UserType
from infinibay.graphql.common import PaginationInputType, known_id, window
from infinibay.graphql.context import Info


@strawberry.type
class UserQueries:
    @strawberry.field
    async def current_user(self, info: Info) -> UserType | None:
        """The user behind the token."""
        return UserType.from_row(await info.context.services.auth.current_user(info.context.caller))

    @strawberry.field
    async def user(self, info: Info, id: str) -> UserType:
        """One user."""
        return UserType.from_row(await info.context.services.users.find(known_id(id)))

    @strawberry.field
    async def users(
        self,
        info: Info,
        pagination: PaginationInputType | None = strawberry.UNSET,
        order_by: UserOrderByInputType | None = strawberry.UNSET,
    ) -> list[UserType]:
        """The users, the newest first unless ordered otherwise; without pagination all of them."""
        take, skip = window(pagination)
        order = (order_by or UserOrderByInputType()).to_request()
        return [UserType.from_row(row) for row in await info.context.services.users.list(order, take, skip)]

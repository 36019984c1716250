"""Logging in and out, and changing users."""

from __future__ import annotations

import strawberry

from infinibay.graphql.auth_users.inputs import CreateUserInputType, UpdateUserInputType
from infinibay.graphql.auth_users.types import LoginResponse, UserType
from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info


@strawberry.type
class UserMutations:
    @strawberry.mutation
    async def login(self, info: Info, email: str, password: str) -> LoginResponse | None:
        """Opens a session; its token goes into the header Authorization."""
        auth, address = info.context.services.auth, info.context.address
        return LoginResponse.from_result(await auth.login(email, password, address))

    @strawberry.mutation
    async def logout(self, info: Info) -> bool:
        """Ends the session of the token."""
        await info.context.services.auth.logout(info.context.caller)
        return True

    @strawberry.mutation
    async def revoke_sessions(self, info: Info, user_id: strawberry.ID) -> int:
        """Ends all sessions of a user, the own or as administrator; answers how many."""
        return await info.context.services.auth.revoke_sessions(info.context.caller, known_id(user_id))

    @strawberry.mutation
    async def create_user(self, info: Info, input: CreateUserInputType) -> UserType:
        """Makes a user with a role up to the caller's own."""
        users, person = info.context.services.users, input.to_request()
        return UserType.from_row(await users.create(info.context.caller, person, input.password_confirmation))

    @strawberry.mutation
    async def update_user(self, info: Info, id: str, input: UpdateUserInputType) -> UserType:
        """Changes the own profile, or as administrator one up to the own rank; a new password or role ends all
        sessions of the user."""
        users, changes = info.context.services.users, input.to_request()
        row = await users.update(info.context.caller, known_id(id), changes, info.context.address)
        return UserType.from_row(row)

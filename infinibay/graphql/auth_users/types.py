"""Users as clients see them, and the answer to a login."""

from __future__ import annotations

import strawberry

from infinibay.db import rows
from infinibay.graphql.scalars import DateTimeISO
from infinibay.services.auth import LoginResult


@strawberry.type
class UserType:
    id: strawberry.ID
    email: str
    first_name: str
    last_name: str
    role: str
    avatar: str | None
    namespace: str | None
    created_at: DateTimeISO

    @classmethod
    def from_row(cls, row: rows.User) -> UserType:
        return cls(
            id=strawberry.ID(row.id),
            email=row.email,
            first_name=row.firstName,
            last_name=row.lastName,
            role=row.role,
            avatar=row.avatar,
            namespace=f"user_{row.id[:8]}",
            created_at=DateTimeISO(row.createdAt),
        )


@strawberry.type
class LoginResponse:
    user: UserType
    token: str

    @classmethod
    def from_result(cls, result: LoginResult) -> LoginResponse:
        return cls(user=UserType.from_row(result.user), token=result.token)

"""What clients send about users; only its shape is checked here."""

from __future__ import annotations

from enum import Enum

import strawberry

from infinibay.core.access import Role
from infinibay.graphql.common import OrderByDirection, given
from infinibay.services.accounts import Person
from infinibay.services.users import UserChanges, UserOrder


@strawberry.enum
class UserRole(Enum):
    USER = "USER"
    ADMIN = "ADMIN"
    SUPER_ADMIN = "SUPER_ADMIN"


@strawberry.enum
class UserOrderByField(Enum):
    ID = "id"
    EMAIL = "email"
    FIRST_NAME = "firstName"
    LAST_NAME = "lastName"
    ROLE = "role"
    CREATED_AT = "createdAt"
    UPDATED_AT = "updatedAt"


@strawberry.input
class UserOrderByInputType:
    field_name: UserOrderByField | None = UserOrderByField.CREATED_AT
    direction: OrderByDirection | None = OrderByDirection.DESC

    def to_request(self) -> UserOrder:
        field = self.field_name or UserOrderByField.CREATED_AT
        return UserOrder(field.value, descending=self.direction is not OrderByDirection.ASC)


@strawberry.input
class CreateUserInputType:
    """`avatar` is the name or address of a picture."""

    email: str
    first_name: str
    last_name: str
    password: str
    password_confirmation: str
    role: UserRole
    avatar: str | None = strawberry.UNSET

    def to_request(self) -> Person:
        return Person(
            email=self.email,
            password=self.password,
            first_name=self.first_name,
            last_name=self.last_name,
            role=Role(self.role.value),
            avatar=self.avatar or None,
        )


@strawberry.input
class UpdateUserInputType:
    """What is left out stays as it is; `avatar: null` takes the avatar away. A new password is sent twice, and the own
    one together with the present one."""

    first_name: str | None = strawberry.UNSET
    last_name: str | None = strawberry.UNSET
    password: str | None = strawberry.UNSET
    password_confirmation: str | None = strawberry.UNSET
    current_password: str | None = strawberry.UNSET
    role: UserRole | None = strawberry.UNSET
    avatar: str | None = strawberry.UNSET

    def to_request(self) -> UserChanges:
        return UserChanges(
            first_name=given(self.first_name),
            last_name=given(self.last_name),
            avatar="" if self.avatar is None else given(self.avatar),
            role=Role(self.role.value) if self.role else None,
            password=given(self.password),
            confirmation=given(self.password_confirmation),
            current_password=given(self.current_password),
        )

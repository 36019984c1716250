"""Who may do what: pure functions on a principal and the owner of a thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Role(StrEnum):
    """The roles, as in the database."""

    USER = "USER"
    ADMIN = "ADMIN"
    SUPER_ADMIN = "SUPER_ADMIN"


class Rank(IntEnum):
    """Roles in order of power."""

    USER = 1
    ADMIN = 2
    SUPER_ADMIN = 3


class Rule(StrEnum):
    """What a root field demands before its resolver runs; ownership is checked by the services."""

    PUBLIC = "public"
    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True)
class Principal:
    """The user behind a request, whatever the transport; `session_id` names the session that its token belongs to."""

    user_id: str
    role: Role
    session_id: str

    @property
    def is_admin(self) -> bool:
        return Rank[self.role.name] >= Rank.ADMIN


def allows(rule: Rule, principal: Principal | None) -> bool:
    """Whether the principal satisfies the rule."""
    if rule is Rule.PUBLIC:
        return True
    if principal is None:
        return False
    return rule is Rule.USER or principal.is_admin


def may_see(principal: Principal, owner_id: str | None) -> bool:
    """A user sees own machines, administrators see all."""
    return principal.is_admin or (owner_id is not None and owner_id == principal.user_id)


def visible_owner(principal: Principal) -> str | None:
    """Whose things the principal sees; None: everybody's."""
    return None if principal.is_admin else principal.user_id


def may_edit_user(principal: Principal, target_id: str, target_role: Role) -> bool:
    """Everybody edits the own profile; nobody edits above the own rank."""
    if target_id == principal.user_id:
        return True
    return principal.is_admin and Rank[principal.role.name] >= Rank[target_role.name]


def may_grant(principal: Principal, role: Role) -> bool:
    """Administrators give roles up to their own rank."""
    return principal.is_admin and Rank[principal.role.name] >= Rank[role.name]

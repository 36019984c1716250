"""Users as administrators manage them and as everybody changes the own profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from infinibay.core.access import Principal, Role, may_edit_user, may_grant
from infinibay.core.accounts import avatar_problem, confirmation_problem, name_problem, password_problem
from infinibay.db import rows, sessions, users
from infinibay.db.client import Database
from infinibay.db.users import OrderColumn
from infinibay.errors import BadUserInput, Conflict, FieldProblem, Forbidden, NotFound, Unauthenticated, UniqueViolation
from infinibay.services import idempotency
from infinibay.services.accounts import AccountService, Person, insert, told
from infinibay.services.credentials import Credentials
from infinibay.services.passwords import Passwords


@dataclass(frozen=True)
class UserOrder:
    column: OrderColumn = "createdAt"
    descending: bool = True


@dataclass(frozen=True)
class UserChanges:
    """What shall change; None stays as it is, and an empty avatar is taken away."""

    first_name: str | None = None
    last_name: str | None = None
    avatar: str | None = None
    role: Role | None = None
    password: str | None = field(default=None, repr=False)
    confirmation: str | None = field(default=None, repr=False)
    current_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Renewal:
    """A new password's hash, and the hash that the present password was compared with (None: it was not asked for)."""

    hashed: str = field(repr=False)
    compared: str | None = field(repr=False)


class UserService:
    """Each change writes an event `user.created` {userId, role} or `user.updated` {userId, fields, role}."""

    def __init__(
        self, database: Database, passwords: Passwords, credentials: Credentials, accounts: AccountService
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._credentials = credentials
        self._accounts = accounts

    async def list(self, order: UserOrder, take: int | None, skip: int) -> Sequence[rows.User]:
        return await users.list_ordered(
            self._database, order=order.column, descending=order.descending, take=take, skip=skip
        )

    async def find(self, user_id: str) -> rows.User:
        """Raises NotFound."""
        row = await users.find(self._database, user_id)
        if row is None or row.deletedAt is not None:
            raise _missing()
        return row

    async def create(self, principal: Principal, person: Person, confirmation: str) -> rows.User:
        """Raises Forbidden for a role above the own, BadUserInput naming every wrong field, Conflict for a taken
        address."""
        _demand_grant(principal, person.role)
        mismatch = confirmation_problem(person.password, confirmation)
        if problems := [*person.problems(), *([mismatch] if mismatch else [])]:
            raise BadUserInput(*problems)
        hashed = await self._passwords.hash(person.password)
        try:
            async with self._database.tx() as tx:
                locked = await users.lock(tx, [principal.user_id])
                _demand_grant(_present(principal, locked), person.role)
                return await insert(tx, person, hashed, principal.user_id)
        except UniqueViolation as error:
            raise Conflict("User already exists", field="email") from error

    async def update(self, principal: Principal, user_id: str, changes: UserChanges, address: str) -> rows.User:
        """Changes the own profile, or as administrator one up to the own rank.

        A new password and a new role end all sessions of the user. Raises Forbidden, NotFound, BadUserInput naming
        every wrong field, TooManyRequests after too many wrong present passwords, or Conflict.
        """
        _demand_edit(principal, user_id)
        user = await self.find(user_id)
        _demand_rank(principal, user, changes)
        _check(principal, user, changes)
        renewal = await self._renewal(principal, user, changes, address)
        async with self._database.tx() as tx:
            locked = await users.lock(tx, [principal.user_id, user.id])
            row = await self._write(tx, _present(principal, locked), locked.get(user.id), changes, renewal)
        if renewal is not None:
            await self._accounts.forget_first_admin(row.email)
        return row

    async def _renewal(
        self, principal: Principal, user: rows.User, changes: UserChanges, address: str
    ) -> _Renewal | None:
        if changes.password is None:
            return None
        compared = None
        if user.id == principal.user_id:
            compared = user.passwordHash
            async with self._credentials.trial(user.emailKey, address) as trial:
                if not await trial.matches(changes.current_password or "", compared):
                    raise BadUserInput(FieldProblem("currentPassword", "Current password is incorrect"))
        return _Renewal(await self._passwords.hash(changes.password), compared)

    async def _write(
        self,
        tx: Database,
        principal: Principal,
        user: rows.User | None,
        changes: UserChanges,
        renewal: _Renewal | None,
    ) -> rows.User:
        """Writes what differs, after looking once more at what may have changed since the checks."""
        if user is None:
            raise _missing()
        _demand_rank(principal, user, changes)
        if renewal is not None and renewal.compared not in {None, user.passwordHash}:
            raise Conflict("The password was changed at the same moment; try again")
        different = _differences(user, changes)
        if "role" in different and user.role == rows.UserRole.SUPER_ADMIN:
            await _demand_another_super_admin(tx)
        if renewal is not None:
            different["passwordHash"] = renewal.hashed
        if not different:
            return user
        row = await users.update(tx, user.id, different)
        if row is None:
            raise _missing()
        if renewal is not None or "role" in different:
            await sessions.revoke_all(tx, user.id)
        await idempotency.settle(tx, {"user": user.id})
        fields = sorted("password" if name == "passwordHash" else name for name in different)
        await told(tx, "user.updated", user.id, {"fields": fields, "role": str(row.role)}, principal.user_id)
        return row


def _demand_edit(principal: Principal, user_id: str) -> None:
    """Users learn nothing of others, not even whether they exist."""
    if user_id != principal.user_id and not principal.is_admin:
        raise Forbidden


def _demand_rank(principal: Principal, user: rows.User, changes: UserChanges) -> None:
    if not may_edit_user(principal, user.id, Role(user.role)):
        raise Forbidden
    if changes.role is None or changes.role is Role(user.role):
        return
    if user.id == principal.user_id:
        raise Forbidden("You cannot change your own role")
    _demand_grant(principal, changes.role)


def _demand_grant(principal: Principal, role: Role) -> None:
    if not may_grant(principal, role):
        raise Forbidden("Nobody gives a role above the own")


async def _demand_another_super_admin(tx: Database) -> None:
    if await users.count_with_role(tx, rows.UserRole.SUPER_ADMIN) < 2:
        raise Conflict("The last SUPER_ADMIN keeps the role", field="role")


def _present(principal: Principal, locked: dict[str, rows.User]) -> Principal:
    """The principal with the role that it has now: its session may have ended since the request came in."""
    row = locked.get(principal.user_id)
    if row is None:
        raise Unauthenticated("The session has ended; log in again")
    return replace(principal, role=Role(row.role))


def _check(principal: Principal, user: rows.User, changes: UserChanges) -> None:
    texts: tuple[tuple[str | None, Callable[[str], FieldProblem | None]], ...] = (
        (changes.first_name, lambda text: name_problem(text, "firstName")),
        (changes.last_name, lambda text: name_problem(text, "lastName")),
        (changes.avatar, avatar_problem),
        (changes.password, password_problem),
        (changes.password, lambda text: confirmation_problem(text, changes.confirmation)),
    )
    problems = [problem for text, check in texts if text is not None and (problem := check(text))]
    if changes.password is not None and user.id == principal.user_id and changes.current_password is None:
        problems.append(FieldProblem("currentPassword", "The current password is needed to change it"))
    if problems:
        raise BadUserInput(*problems)


def _differences(user: rows.User, changes: UserChanges) -> dict[str, Any]:
    """The columns that get another value; without the password."""
    wanted = {
        "firstName": None if changes.first_name is None else changes.first_name.strip(),
        "lastName": None if changes.last_name is None else changes.last_name.strip(),
        "role": None if changes.role is None else rows.UserRole(changes.role.value),
    }
    different: dict[str, Any] = {
        column: value for column, value in wanted.items() if value is not None and value != getattr(user, column)
    }
    if changes.avatar is not None and (avatar := changes.avatar.strip() or None) != user.avatar:
        different["avatar"] = avatar
    return different


def _missing() -> NotFound:
    return NotFound("User not found")

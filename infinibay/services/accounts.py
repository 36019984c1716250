"""Accounts as far as a start and the command line need them: the first administrator, new users, new passwords."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from infinibay.core.access import Role
from infinibay.core.accounts import avatar_problem, email_key, email_problem, name_problem, password_problem
from infinibay.db import events, rows, sessions, users
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, FieldProblem, NotFound, SettingError, UniqueViolation
from infinibay.log import get_logger
from infinibay.secrets import random_password
from infinibay.services import idempotency
from infinibay.services.passwords import Passwords

log = get_logger(__name__)


@dataclass(frozen=True)
class Person:
    """A wish for a user."""

    email: str
    password: str = field(repr=False)
    first_name: str
    last_name: str
    role: Role
    avatar: str | None = None

    def problems(self) -> list[FieldProblem]:
        """Every wrong field."""
        found = (
            email_problem(self.email),
            password_problem(self.password),
            name_problem(self.first_name, "firstName"),
            name_problem(self.last_name, "lastName"),
            avatar_problem(self.avatar or ""),
        )
        return [problem for problem in found if problem is not None]


class AccountService:
    """`first_admin_file` is where a first password lies until it is changed."""

    def __init__(self, database: Database, passwords: Passwords, first_admin_file: Path) -> None:
        self._database = database
        self._passwords = passwords
        self._first_admin_file = first_admin_file

    async def ensure_first_admin(self, email: str, password: str | None, terminal: TextIO | None) -> bool:
        """Makes the first administrator (SUPER_ADMIN) where there is none yet; true if it did.

        Without a password a random one goes to the terminal, or without a terminal into the first-admin file (0600).
        Raises SettingError for a password or address that is none, or belongs to somebody else.
        """
        if email_problem(email):
            raise SettingError("DEFAULT_ADMIN_EMAIL", "must be an e-mail address")
        if password is not None and (problem := password_problem(password)):
            raise SettingError("DEFAULT_ADMIN_PASSWORD", f"is no password: {problem.message}")
        chosen = password or random_password()
        hashed = await self._passwords.hash(chosen)
        async with self._database.tx() as tx:
            if not await users.lock_first(tx):
                return False
            try:
                await insert(tx, Person(email, chosen, "Infinibay", "Administrator", Role.SUPER_ADMIN), hashed)
            except UniqueViolation:
                raise SettingError("DEFAULT_ADMIN_EMAIL", "belongs to a user who is no administrator") from None
            if password is None and terminal is None:
                self._write_first_admin(email, chosen)
        if password is None and terminal is not None:
            terminal.write(f"\nFirst administrator: {email}\nPassword (shown only now): {chosen}\n\n")
            terminal.flush()
        log.info("accounts.first_admin", email=email)
        return True

    async def create_user(self, email: str, password: str, *, first_name: str, last_name: str, role: Role) -> rows.User:
        """Raises BadUserInput naming every wrong field, Conflict when the address is taken."""
        person = Person(email, password, first_name, last_name, role)
        if wrong := person.problems():
            raise BadUserInput(*wrong)
        hashed = await self._passwords.hash(password)
        try:
            async with self._database.tx() as tx:
                return await insert(tx, person, hashed)
        except UniqueViolation as error:
            raise Conflict("User already exists", field="email") from error

    async def set_password(self, email: str, password: str) -> int:
        """Gives a user a new password and ends the user's sessions; returns how many."""
        if problem := password_problem(password):
            raise BadUserInput(problem)
        user = await users.find_by_email_key(self._database, email_key(email))
        if user is None or user.deletedAt is not None:
            raise NotFound("User not found")
        hashed = await self._passwords.hash(password)
        async with self._database.tx() as tx:
            await users.set_password_hash(tx, user.id, hashed)
            ended = await sessions.revoke_all(tx, user.id)
            await told(tx, "user.updated", user.id, {"fields": ["password"]})
        await self.forget_first_admin(user.email)
        return ended

    async def forget_first_admin(self, email: str) -> None:
        """Removes the file with the first password, once that is changed."""
        await asyncio.to_thread(self._forget_first_admin, email)

    def _write_first_admin(self, email: str, password: str) -> None:
        path = self._first_admin_file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{email.strip()}\n{password}\n")
            file.flush()
            os.fsync(file.fileno())

    def _forget_first_admin(self, email: str) -> None:
        path = self._first_admin_file
        if path.is_file() and path.read_text().split("\n", 1)[0] == email:
            path.unlink(missing_ok=True)


async def insert(tx: Database, person: Person, hashed: str, actor_id: str | None = None) -> rows.User:
    """Writes a user with its event. Raises UniqueViolation when the address is taken."""
    row = await users.create(
        tx,
        users.NewUser(
            email=person.email.strip(),
            email_key=email_key(person.email),
            password_hash=hashed,
            first_name=person.first_name.strip(),
            last_name=person.last_name.strip(),
            role=rows.UserRole(person.role.value),
            avatar=(person.avatar or "").strip() or None,
        ),
    )
    await idempotency.settle(tx, {"user": row.id})
    await told(tx, "user.created", row.id, {"role": person.role.value}, actor_id)
    return row


async def told(tx: Database, kind: str, user_id: str, data: Mapping[str, Any], actor_id: str | None = None) -> None:
    """Writes an event of a user, which that user may read."""
    await events.append(tx, kind=kind, data={"userId": user_id, **data}, owner_id=user_id, actor_id=actor_id)

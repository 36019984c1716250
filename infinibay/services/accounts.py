"""Accounts as far as a start and the command line need them: the first administrator, new users, new passwords."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

from infinibay.core.access import Role
from infinibay.core.accounts import email_key, email_problem, name_problem, password_problem
from infinibay.db import rows, sessions, users
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, NotFound, SettingError, UniqueViolation
from infinibay.log import get_logger
from infinibay.secrets import random_password
from infinibay.services.passwords import Passwords

log = get_logger(__name__)


class AccountService:
    """`first_admin_file` is where a first password lies until it is changed."""

    def __init__(self, database: Database, passwords: Passwords, first_admin_file: Path) -> None:
        self._database = database
        self._passwords = passwords
        self._first_admin_file = first_admin_file

    async def ensure_first_admin(self, email: str, password: str | None, terminal: TextIO | None) -> bool:
        """Makes the first administrator (SUPER_ADMIN) where there is no user yet; true if it did.

        Without a password a random one goes to the terminal, or without a terminal into the first-admin file (0600).
        Raises SettingError for a password or address that is none.
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
            if password is None and terminal is None:
                self._write_first_admin(email, chosen)
            await self._insert(tx, email, hashed, ("Infinibay", "Administrator"), Role.SUPER_ADMIN)
        if password is None and terminal is not None:
            terminal.write(f"\nFirst administrator: {email}\nPassword (shown only now): {chosen}\n\n")
            terminal.flush()
        log.info("accounts.first_admin", email=email)
        return True

    async def create_user(self, email: str, password: str, *, first_name: str, last_name: str, role: Role) -> rows.User:
        """Raises BadUserInput naming every wrong field, Conflict when the address is taken."""
        problems = (
            email_problem(email),
            password_problem(password),
            name_problem(first_name, "firstName"),
            name_problem(last_name, "lastName"),
        )
        if wrong := [problem for problem in problems if problem is not None]:
            raise BadUserInput(*wrong)
        hashed = await self._passwords.hash(password)
        try:
            return await self._insert(self._database, email, hashed, (first_name, last_name), role)
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
        self._forget_first_admin(user.email)
        return ended

    async def _insert(self, db: Database, email: str, hashed: str, names: tuple[str, str], role: Role) -> rows.User:
        return await users.create(
            db,
            email=email.strip(),
            email_key=email_key(email),
            password_hash=hashed,
            first_name=names[0].strip(),
            last_name=names[1].strip(),
            role=rows.UserRole(role.value),
        )

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

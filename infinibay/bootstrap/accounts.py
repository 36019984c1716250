"""Accounts from the command line, with the server running or stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infinibay.bootstrap.foundation import make_directories, opened_database
from infinibay.core.access import Role
from infinibay.services.accounts import AccountService
from infinibay.services.passwords import Passwords
from infinibay.settings import Settings


@asynccontextmanager
async def _accounts(settings: Settings) -> AsyncIterator[AccountService]:
    make_directories(settings)
    async with opened_database(settings) as (_, database):
        yield AccountService(database, Passwords(), settings.first_admin_file)


async def create_user(
    settings: Settings, email: str, password: str, first_name: str, last_name: str, role: str
) -> None:
    """Raises BadUserInput or Conflict."""
    async with _accounts(settings) as accounts:
        await accounts.create_user(email, password, first_name=first_name, last_name=last_name, role=Role(role))


async def set_password(settings: Settings, email: str, password: str) -> int:
    """How many sessions it ended. Raises BadUserInput or NotFound."""
    async with _accounts(settings) as accounts:
        return await accounts.set_password(email, password)

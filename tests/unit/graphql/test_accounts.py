"""The first administrator, and accounts from the command line."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infinibay.core.access import Role
from infinibay.db.client import Database, EngineOptions
from infinibay.errors import BadUserInput, Conflict, NotFound, SettingError, Unauthenticated
from infinibay.secrets import Vault
from infinibay.services.accounts import AccountService
from infinibay.services.auth import AuthService, token_key
from infinibay.services.passwords import Passwords
from tests.support.api import auth_service, quick_passwords
from tests.support.databases import fresh_database

EMAIL = "admin@example.com"


@dataclass
class Fresh:
    """A database without users."""

    database: Database
    accounts: AccountService
    auth: AuthService
    file: Path
    passwords: Passwords


@pytest.fixture
async def fresh(postgres_url: str, tmp_path: Path) -> AsyncIterator[Fresh]:
    passwords, file = quick_passwords(), tmp_path / "base" / "first-admin"
    async with fresh_database(postgres_url) as url:
        database = Database(url, engine=EngineOptions(run_dir=tmp_path))
        await database.connect()
        auth = auth_service(database, passwords)
        yield Fresh(database, AccountService(database, passwords, file), auth, file, passwords)
        await database.disconnect()
    passwords.close()


async def test_the_first_password_goes_to_the_terminal(fresh: Fresh) -> None:
    terminal = io.StringIO()
    assert await fresh.accounts.ensure_first_admin(EMAIL, None, terminal)
    password = terminal.getvalue().split("Password (shown only now): ")[1].split("\n")[0]
    assert (await fresh.auth.login(EMAIL, password)).user.role == "SUPER_ADMIN"
    assert not fresh.file.exists()


async def test_without_a_terminal_it_lies_in_a_file_until_it_is_changed(fresh: Fresh) -> None:
    assert await fresh.accounts.ensure_first_admin(EMAIL, None, None)
    assert fresh.file.stat().st_mode & 0o777 == 0o600
    email, password = fresh.file.read_text().splitlines()
    assert (await fresh.auth.login(email, password)).user.email == EMAIL
    await fresh.accounts.create_user("b@example.com", "password b", first_name="B", last_name="B", role=Role.USER)
    await fresh.accounts.set_password("b@example.com", "password c")
    assert fresh.file.exists()
    await fresh.accounts.set_password(EMAIL.upper(), "a better one")
    assert not fresh.file.exists()


async def test_a_given_password_is_shown_nowhere(fresh: Fresh, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = io.StringIO()
    assert await fresh.accounts.ensure_first_admin(EMAIL, "given password", terminal)
    await fresh.auth.login(EMAIL, "given password")
    logged = capsys.readouterr()
    assert "given password" not in terminal.getvalue() + logged.out + logged.err
    assert not fresh.file.exists()


async def test_a_later_start_changes_nothing(fresh: Fresh) -> None:
    assert await fresh.accounts.ensure_first_admin(EMAIL, "given password", None)
    await fresh.accounts.set_password(EMAIL, "my own password")
    assert not await fresh.accounts.ensure_first_admin(EMAIL, "given password", None)
    assert not await fresh.accounts.ensure_first_admin("other@example.com", None, None)
    await fresh.auth.login(EMAIL, "my own password")
    assert await fresh.database.user.count() == 1


async def test_users_who_were_made_before_the_first_start_are_no_administrator(fresh: Fresh) -> None:
    await fresh.accounts.create_user("u@example.com", "password u", first_name="U", last_name="U", role=Role.USER)
    with pytest.raises(SettingError, match=r"^DEFAULT_ADMIN_EMAIL belongs to a user who is no administrator$"):
        await fresh.accounts.ensure_first_admin("u@example.com", None, None)
    assert not fresh.file.exists()
    assert await fresh.accounts.ensure_first_admin(EMAIL, None, None)


async def test_an_administrator_who_was_made_before_the_first_start_is_the_first(fresh: Fresh) -> None:
    await fresh.accounts.create_user("a@example.com", "password a", first_name="A", last_name="A", role=Role.ADMIN)
    assert not await fresh.accounts.ensure_first_admin(EMAIL, None, None)


async def test_a_login_with_the_old_password_opens_no_session_after_its_change(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fresh.accounts.ensure_first_admin(EMAIL, "given password", None)
    compare = fresh.passwords.matches

    async def changed_meanwhile(password: str, stored: str | None, *, known: bool) -> bool:
        outcome = await compare(password, stored, known=known)
        await fresh.accounts.set_password(EMAIL, "my own password")
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(fresh.passwords, "matches", changed_meanwhile)
        with pytest.raises(Unauthenticated, match="Invalid credentials"):
            await fresh.auth.login(EMAIL, "given password")
    assert await fresh.database.session.count() == 0
    await fresh.auth.login(EMAIL, "my own password")


async def test_processes_that_start_at_once_make_one_administrator(fresh: Fresh) -> None:
    starts = [fresh.accounts.ensure_first_admin(f"admin{n}@example.com", None, None) for n in range(5)]
    assert sorted(await asyncio.gather(*starts)) == [False, False, False, False, True]
    email, password = fresh.file.read_text().splitlines()
    await fresh.auth.login(email, password)


@pytest.mark.parametrize("password", ["short", "x" * 257, "with\nbreak"])
async def test_a_default_password_that_is_none_stops_the_start(fresh: Fresh, password: str) -> None:
    with pytest.raises(SettingError, match=r"^DEFAULT_ADMIN_PASSWORD is no password: "):
        await fresh.accounts.ensure_first_admin(EMAIL, password, None)
    assert await fresh.database.user.count() == 0


async def test_a_new_user_s_fields_are_checked_together(fresh: Fresh) -> None:
    with pytest.raises(BadUserInput) as caught:
        await fresh.accounts.create_user("a@b@c", "short", first_name=" ", last_name="x" * 101, role=Role.USER)
    assert [problem.field for problem in caught.value.problems] == ["email", "password", "firstName", "lastName"]
    await fresh.accounts.create_user("a@b", "long enough", first_name="A", last_name="B", role=Role.USER)
    with pytest.raises(Conflict, match="User already exists"):
        await fresh.accounts.create_user("A@B", "long enough", first_name="A", last_name="B", role=Role.USER)
    with pytest.raises(NotFound, match="User not found"):
        await fresh.accounts.set_password("nobody@b", "long enough")


def test_the_key_of_tokens_comes_from_the_setting_or_the_vault() -> None:
    vault = Vault(b"m" * 32)
    assert token_key(None, vault) == vault.token_key()
    assert len(token_key("a short setting!", vault)) == 32
    assert token_key("a short setting!", vault) != token_key("another setting!", vault)

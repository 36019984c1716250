"""The migrations against schema.prisma, and the runner that applies them.

After a change of schema.prisma `test_schema_and_migrations_agree` prints the missing SQL, as `scripts/migration-diff`
does. Until the first release the first migration is made anew:

    scripts/migration-diff --initial > infinibay/db/migrations/20260101000000_initial/migration.sql

and what Prisma has no words for is written by hand into 20260101000100_rules. Afterwards a change is a new directory
`<UTC timestamp>_<name>` with the printed SQL as its `migration.sql`, and no file that was released changes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from infinibay.db.migrate import MIGRATIONS, migrate, read
from infinibay.errors import DatabaseError, DatabaseUnavailable
from tests.support.databases import execute, fresh_database
from tests.support.migration_diff import missing_sql


@pytest.fixture
async def empty_url(postgres_url: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_url, template="template1") as url:
        yield url


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    add(tmp_path, "1_first", "CREATE TABLE first (id int); INSERT INTO first VALUES (1);")
    add(tmp_path, "2_second", "CREATE TABLE second (id int);")
    return tmp_path


def add(directory: Path, name: str, script: str) -> None:
    (directory / name).mkdir(exist_ok=True)
    (directory / name / "migration.sql").write_text(script)


async def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await (await connection.execute(statement.encode())).fetchall()


async def test_schema_and_migrations_agree(database_url: str) -> None:
    assert await missing_sql(database_url) == ""


async def test_comparison_sees_a_difference(database_url: str) -> None:
    await execute(
        database_url,
        "DROP INDEX machines_user_id_idx",
        "ALTER TABLE machines ALTER COLUMN autostart DROP DEFAULT, ALTER COLUMN os TYPE varchar(9)",
    )
    missing = await missing_sql(database_url)
    assert 'CREATE INDEX "machines_user_id_idx" ON "machines"("user_id");' in missing
    assert 'ALTER COLUMN "autostart" SET DEFAULT false' in missing
    assert 'ALTER COLUMN "os" SET DATA TYPE TEXT' in missing


def test_no_migration_ends_the_transaction_it_runs_in() -> None:
    for migration in read():
        assert not re.search(rb"(?im)^\s*(BEGIN|COMMIT|ROLLBACK)\s*;", migration.script), migration.name


async def test_applies_in_order_and_does_nothing_the_second_time(empty_url: str, directory: Path) -> None:
    assert await migrate(empty_url, directory) == ["1_first", "2_second"]
    assert await migrate(empty_url, directory) == []
    add(directory, "3_third", "CREATE TABLE third (id int);")
    assert await migrate(empty_url, directory) == ["3_third"]
    assert await rows(empty_url, "SELECT id FROM first") == [(1,)]


async def test_records_what_prisma_reads(empty_url: str) -> None:
    await migrate(empty_url)
    recorded = await rows(
        empty_url,
        "SELECT migration_name, checksum, applied_steps_count, finished_at >= started_at, logs, rolled_back_at"
        " FROM _prisma_migrations ORDER BY migration_name",
    )
    assert recorded == [(found.name, found.checksum, 1, True, None, None) for found in read(MIGRATIONS)]


async def test_four_at_once_apply_exactly_once(empty_url: str, directory: Path) -> None:
    applied = await asyncio.gather(*(migrate(empty_url, directory) for _ in range(4)))
    assert sorted(applied) == [[], [], [], ["1_first", "2_second"]]
    assert await rows(empty_url, "SELECT id FROM first") == [(1,)]


async def test_failed_migration_is_rolled_back_and_stops_later_starts(empty_url: str, directory: Path) -> None:
    add(directory, "2_second", "CREATE TABLE second (id int); SELECT 1 / 0;")
    add(directory, "3_third", "CREATE TABLE third (id int);")
    with pytest.raises(DatabaseError, match=r"^The migration 2_second failed and was rolled back: division by zero"):
        await migrate(empty_url, directory)
    tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    assert await rows(empty_url, tables) == [("_prisma_migrations",), ("first",)]

    add(directory, "2_second", "CREATE TABLE second (id int);")
    with pytest.raises(DatabaseError, match=r"^The migration 2_second failed earlier .* division by zero") as failure:
        await migrate(empty_url, directory)
    assert "prisma migrate resolve --rolled-back 2_second" in str(failure.value.remedy)

    await execute(empty_url, "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL")
    assert await migrate(empty_url, directory) == ["2_second", "3_third"]


async def test_changed_migration_is_refused(empty_url: str, directory: Path) -> None:
    await migrate(empty_url, directory)
    add(directory, "1_first", "CREATE TABLE first (id bigint);")
    add(directory, "3_third", "CREATE TABLE third (id int);")
    with pytest.raises(DatabaseError, match=r"^The migration 1_first was changed after it had been applied"):
        await migrate(empty_url, directory)
    assert await rows(empty_url, "SELECT to_regclass('third')::text") == [(None,)]


async def test_unknown_migration_is_refused(empty_url: str, directory: Path) -> None:
    add(directory, "3_third", "CREATE TABLE third (id int);")
    await migrate(empty_url, directory)
    (directory / "3_third" / "migration.sql").unlink()
    with pytest.raises(DatabaseError, match=r"^The database has the migration 3_third, which this version does not"):
        await migrate(empty_url, directory)


async def test_process_that_dies_in_a_migration_leaves_nothing(empty_url: str, directory: Path) -> None:
    add(directory, "2_second", "CREATE TABLE second (id int); SELECT pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(DatabaseUnavailable, match=r"^The database could not be migrated now"):
        await migrate(empty_url, directory)
    add(directory, "2_second", "CREATE TABLE second (id int);")
    assert await migrate(empty_url, directory) == ["2_second"]


async def test_absent_database_is_unavailable(empty_url: str, directory: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r'database "absent" does not exist'):
        await migrate(re.sub(r"/test_\w+", "/absent", empty_url), directory)


async def test_parameters_of_prisma_are_understood(empty_url: str, directory: Path) -> None:
    await execute(empty_url, 'CREATE SCHEMA "Other place"')
    await migrate(f"{empty_url}&schema=Other%20place&connection_limit=5&pool_timeout=3", directory)
    schemas = "SELECT schemaname::text FROM pg_tables WHERE tablename IN ('first', '_prisma_migrations')"
    assert await rows(empty_url, schemas) == [("Other place",)] * 2

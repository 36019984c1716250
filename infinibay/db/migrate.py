"""Applies the SQL migrations at start; the layout, the table and the lock are Prisma Migrate's, so both understand it.

A migration and its record are one transaction, so a process that dies in it leaves nothing behind. A failed one is
recorded and stops every later start until somebody has looked at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from infinibay.db.connections import connect
from infinibay.errors import DatabaseError, DatabaseUnavailable
from infinibay.log import get_logger

log = get_logger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 72707369  # Prisma Migrate takes the same one.
_LOCK_SECONDS = 60
_TABLE = """
CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
)"""


@dataclass(frozen=True)
class Migration:
    """One migration on disk."""

    name: str
    script: bytes

    @property
    def checksum(self) -> str:
        return sha256(self.script).hexdigest()


async def migrate(url: str, directory: Path = MIGRATIONS) -> list[str]:
    """Applies what is missing, in order, and returns the names applied; other processes wait meanwhile.

    Raises DatabaseError when an earlier migration failed, was changed since, or is not known here; when one fails
    now; DatabaseUnavailable when the database or the lock cannot be had.
    """
    connection = await connect(url, "migrate")
    try:
        async with connection:
            return await _apply_missing(connection, read(directory))
    except psycopg.OperationalError as error:
        # Nothing is wrong with a migration: the connection ended, the disk is full. The next start tries again.
        raise DatabaseUnavailable(f"The database could not be migrated now: {error}") from error


async def pending(url: str, directory: Path = MIGRATIONS) -> list[str]:
    """The names that `migrate` would apply, in order; writes nothing. Raises as `migrate` does."""
    connection = await connect(url, "doctor")
    try:
        async with connection:
            migrations = read(directory)
            made = await (await connection.execute("SELECT to_regclass('_prisma_migrations')")).fetchone()
            applied = set() if made in (None, (None,)) else await _check_history(connection, migrations)
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"The migrations of the database can't be read: {error}") from error
    return [migration.name for migration in migrations if migration.name not in applied]


def read(directory: Path = MIGRATIONS) -> list[Migration]:
    """The migrations on disk in their order."""
    return [Migration(path.parent.name, path.read_bytes()) for path in sorted(directory.glob("*/migration.sql"))]


async def _apply_missing(connection: AsyncConnection[TupleRow], migrations: list[Migration]) -> list[str]:
    await _lock(connection)
    await connection.execute("SET client_min_messages = warning")
    await connection.execute(_TABLE)
    applied = await _check_history(connection, migrations)
    missing = [migration for migration in migrations if migration.name not in applied]
    for migration in missing:
        await _apply(connection, migration)
    return [migration.name for migration in missing]


async def _lock(connection: AsyncConnection[TupleRow]) -> None:
    """Takes the lock of migrations; it ends with the connection."""
    await connection.execute(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
    try:
        await connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    except psycopg.errors.LockNotAvailable as error:
        raise DatabaseUnavailable(
            f"Another process has been migrating the database for {_LOCK_SECONDS} seconds"
        ) from error
    await connection.execute("SET lock_timeout = 0")


async def _check_history(connection: AsyncConnection[TupleRow], migrations: list[Migration]) -> set[str]:
    """The names already applied. Raises DatabaseError when the history does not fit what is on disk."""
    rows = await connection.execute(
        "SELECT migration_name, checksum, finished_at IS NOT NULL, coalesce(logs, '') FROM _prisma_migrations"
        " WHERE rolled_back_at IS NULL ORDER BY started_at"
    )
    known = {migration.name: migration.checksum for migration in migrations}
    applied = set()
    async for name, checksum, finished, logs in rows:
        if not finished:
            raise DatabaseError(
                f"The migration {name} failed earlier and was rolled back: {logs}",
                remedy=f"Mend the cause, then run `npx prisma migrate resolve --rolled-back {name}`, or set"
                f" rolled_back_at of that row in the table _prisma_migrations.",
            )
        if name not in known:
            raise DatabaseError(
                f"The database has the migration {name}, which this version does not know",
                remedy="Start the version of infinibay that last used this database, or a newer one.",
            )
        if checksum != known[name]:
            raise DatabaseError(
                f"The migration {name} was changed after it had been applied to this database",
                remedy="Restore its file; a change of the schema is a migration of its own.",
            )
        applied.add(name)
    return applied


async def _apply(connection: AsyncConnection[TupleRow], migration: Migration) -> None:
    record = [str(uuid4()), migration.checksum, migration.name]
    try:
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at) VALUES (%s, %s, %s, now())",
                record,
            )
            await connection.execute(migration.script)
            await connection.execute(
                "UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1 WHERE id = %s",
                record[:1],
            )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        await connection.execute(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, logs) VALUES (%s, %s, %s, %s)",
            [*record, str(error)],
        )
        raise DatabaseError(f"The migration {migration.name} failed and was rolled back: {error}") from error
    log.info("database.migrated", migration=migration.name)

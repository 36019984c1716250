"""Databases for tests: each is a copy of one migrated template, which takes milliseconds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from infinibay.db.embedded import EmbeddedPostgres
from infinibay.db.migrate import migrate
from infinibay.settings import Settings, load

TEMPLATE = "migrated_template"


def settings_below(base: Path, **more: str) -> Settings:
    """The default settings with a base directory; no `.env` and no environment is read."""
    return load({"INFINIBAY_BASE_DIR": str(base), **more}, base / "no.env")


@contextmanager
def base_directory() -> Iterator[Path]:
    """A short base directory that unprivileged accounts may enter, which pytest's own temporary directories are not."""
    base = Path(tempfile.mkdtemp(prefix="ibay-"))
    base.chmod(0o755)
    try:
        yield base
    finally:
        shutil.rmtree(base)


@asynccontextmanager
async def empty_cluster() -> AsyncIterator[str]:
    """A running PostgreSQL that does not wait for the disk; yields its superuser's URL."""
    with base_directory() as base:
        server = EmbeddedPostgres.of(settings_below(base))
        url = await server.start()
        try:
            await execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
            yield url
        finally:
            await server.stop()


@asynccontextmanager
async def cluster() -> AsyncIterator[str]:
    """The same with the migrated template."""
    async with empty_cluster() as url:
        await execute(url, f"CREATE DATABASE {TEMPLATE}")
        await migrate(with_database(url, TEMPLATE))
        yield url


@asynccontextmanager
async def fresh_database(superuser_url: str, template: str = TEMPLATE) -> AsyncIterator[str]:
    """The URL of a new database, which is dropped afterwards together with its connections."""
    name = f"test_{uuid4().hex}"
    await execute(superuser_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield with_database(superuser_url, name)
    finally:
        await execute(superuser_url, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(url: str, *statements: str) -> None:
    """Runs statements, each in a transaction of its own."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in statements:
            await connection.execute(statement.encode())


def with_database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))

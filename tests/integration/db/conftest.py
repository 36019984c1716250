"""The ordinary client, generated from a schema of these tests, on the engine's executable over HTTP."""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infinibay.db.client import Database, EngineOptions
from infinibay.db.engine.paths import EXECUTABLE, PROJECT_ROOT, node_binary
from infinibay.db.generate import generate
from tests.support.databases import execute, fresh_database

SCHEMA = Path(__file__).with_name("schema.prisma")
STOP = timedelta(seconds=5)
_TABLES = 'people, "Profile", "Post", "Tag", "PostTag", "Scalars", "Lists", "Awkward", "AwkwardChild", "TaskOrThrow"'


@pytest.fixture(scope="session")
def client_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module generated from the tests' schema; its tables are made by `engine_url`."""
    folder = tmp_path_factory.mktemp("client")
    shutil.copy(SCHEMA, folder)
    generate(folder / SCHEMA.name)
    sys.path.insert(0, str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRISMA_QUERY_ENGINE_BINARY", str(EXECUTABLE))
        yield importlib.import_module("engine_client")
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
async def engine_url(postgres_url: str) -> AsyncIterator[str]:
    """A database with the tables of the tests' schema."""
    async with fresh_database(postgres_url, "template1") as url:
        compared = await asyncio.to_thread(
            subprocess.run,
            [node_binary(), PROJECT_ROOT / "tests" / "support" / "schema_diff.mjs", SCHEMA],
            cwd=PROJECT_ROOT,
            env={**os.environ, "DATABASE_URL": url, "ENGINE_TEST_DATABASE": url},
            capture_output=True,
            text=True,
            check=False,
        )
        await execute(url, compared.stdout)
        yield url


@pytest.fixture(scope="session")
async def connected(client_package: Any, engine_url: str) -> AsyncIterator[Any]:
    """The session's client."""
    client = client_package.Prisma(datasource={"url": engine_url}, use_dotenv=False)
    await client.connect()
    yield client
    await client.disconnect(timeout=STOP)


@pytest.fixture
async def client(connected: Any) -> Any:
    """The client on empty tables."""
    await connected.execute_raw(f"TRUNCATE {_TABLES} RESTART IDENTITY CASCADE")
    return connected


@pytest.fixture
def json_of(client_package: Any) -> Any:
    """The generated client's wrapper for JSON."""
    return client_package.Json


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """The product's client over the socket, on a migrated database."""
    db = Database(database_url, engine=EngineOptions(tmp_path / "run"))
    await db.connect()
    yield db
    await db.disconnect()

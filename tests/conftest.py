"""Fixtures for all tests: one PostgreSQL per run, one migrated database per test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.databases import base_directory, cluster, fresh_database
from tests.support.scale import count

if TYPE_CHECKING:
    from infinibay.db.client import Database


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the tests of the soak to it."""
    left = [item for item in items if item.get_closest_marker("soak")][: count(len(items), 0)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture
def nothing_for_others() -> Iterator[None]:
    """The umask of a careful administrator."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
async def postgres_url() -> AsyncIterator[str]:
    """The superuser's URL of an embedded PostgreSQL that lives as long as the run."""
    async with cluster() as url:
        yield url


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A migrated database of the test's own. Modules that share one use `tests.support.databases.fresh_database`."""
    async with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The product's client, connected to a migrated database of the test's own."""
    # Imported here, because the generated client takes a second to load and most unit tests do without.
    from infinibay.db.client import Database, EngineOptions

    with base_directory() as run_dir:
        client = Database(database_url, engine=EngineOptions(run_dir))
        await client.connect()
        yield client
        await client.disconnect()

"""Fixtures for all tests: one PostgreSQL per run, one migrated database per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.databases import cluster, fresh_database


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

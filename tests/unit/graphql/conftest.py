"""One edge with one database for all tests of this folder; each test makes its own data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api import Api, running_api
from tests.support.databases import fresh_database


@pytest.fixture(scope="session")
async def api(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """The edge with a user of each role."""
    base: Path = tmp_path_factory.mktemp("api")
    async with fresh_database(postgres_url) as url, running_api(url, base) as running:
        yield running

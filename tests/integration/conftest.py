"""The whole product, for each module of tests that works on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.databases import base_directory, fresh_database
from tests.support.whole import Whole, whole


@pytest.fixture(scope="module")
async def product(postgres_url: str) -> AsyncIterator[Whole]:
    with base_directory() as base:
        async with fresh_database(postgres_url) as url, whole(url, base) as running:
            yield running

"""A library of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.library import Shelf, opened_shelf


@pytest.fixture
async def shelf(database_url: str) -> AsyncIterator[Shelf]:
    async with opened_shelf(database_url) as opened:
        yield opened

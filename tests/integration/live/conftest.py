"""The whole product, served for real clients, with a machine that belongs to one of its users."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from infinibay.core.access import Role
from tests.integration.live.stage import Stage
from tests.support.databases import base_directory, fresh_database
from tests.support.whole import whole


@pytest.fixture(scope="package")
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    """One for the folder; each test makes what it changes."""
    with base_directory() as base:
        async with fresh_database(postgres_url) as url, whole(url, base) as product:
            for name, role in {"stranger": Role.USER, "owner": Role.USER, "admin": Role.ADMIN}.items():
                await product.join(name, role)
            made = Stage(product, url)
            await made.machine()
            yield made

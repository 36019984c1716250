"""One library for the tests of a module; each begins with an empty one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.databases import fresh_database
from tests.support.iso_layouts import ubuntu_iso
from tests.support.library import Shelf, opened_shelf
from tests.support.sockets import served
from tests.support.uploading import Uploader


@pytest.fixture(scope="module")
async def opened(postgres_url: str) -> AsyncIterator[Shelf]:
    async with fresh_database(postgres_url) as url, opened_shelf(url) as shelf:
        yield shelf


@pytest.fixture
async def shelf(opened: Shelf) -> Shelf:
    await opened.empty()
    return opened


@pytest.fixture
async def admin(shelf: Shelf) -> AsyncIterator[Uploader]:
    """An administrator's client of a server that really listens."""
    async with served(shelf.api.app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield Uploader(shelf, client)


@pytest.fixture(scope="session")
def medium(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three megabytes, so that an upload is written in several pieces."""
    return ubuntu_iso(tmp_path_factory.mktemp("media") / "x", extra=3_000_000).read_bytes()

"""A database with the durable engine's tables, and engines that are stopped after each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol
from uuid import uuid4

import pytest

from infinibay.db import rows
from infinibay.db.client import Database
from infinibay.events.feed import Feed
from infinibay.operations.api import OperationKind
from infinibay.operations.durable import DurableQueue
from infinibay.operations.engine import OperationEngine
from tests.integration.operations.support import connected, pumped
from tests.support.databases import TEMPLATE, base_directory, execute, fresh_database, with_database

DURABLE_TEMPLATE = "durable_template"


class EngineMaker(Protocol):
    async def __call__(self, *kinds: OperationKind, **options: Any) -> OperationEngine: ...


@pytest.fixture(scope="session")
async def durable_template(postgres_url: str) -> str:
    """Migrating the engine's tables takes half a second, so it is done once."""
    await execute(postgres_url, f"CREATE DATABASE {DURABLE_TEMPLATE} TEMPLATE {TEMPLATE}")
    queue = DurableQueue(with_database(postgres_url, DURABLE_TEMPLATE))
    await queue.open()
    await queue.close()
    return DURABLE_TEMPLATE


@pytest.fixture(scope="session")
async def database_url(postgres_url: str, durable_template: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_url, durable_template) as url:
        yield url


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """One for all tests here: each has a host, and with it a queue, of its own."""
    with base_directory() as run_dir:
        async with connected(database_url, run_dir) as database:
            yield database


@pytest.fixture(scope="session")
async def feed(database: Database, database_url: str) -> AsyncIterator[Feed[rows.Event]]:
    """What happens in that database."""
    async with pumped(database, database_url) as feed:
        yield feed


@pytest.fixture
async def host_id(database: Database) -> str:
    return (await database.host.create(data={"name": f"host-{uuid4()}", "libvirtUri": "test:///default"})).id


@pytest.fixture
async def engine_of(
    database: Database, database_url: str, feed: Feed[rows.Event], host_id: str
) -> AsyncIterator[EngineMaker]:
    """Makes and starts engines; of those that run operations there is one at a time in a process."""
    started: list[OperationEngine] = []

    async def make(*kinds: OperationKind, **options: Any) -> OperationEngine:
        settings: Mapping[str, Any] = {"role": "all", "budgets": {"media": 2}, "host_id": host_id, **options}
        engine = OperationEngine({kind.name: kind for kind in kinds}, database, database_url, feed, **settings)
        await engine.start()
        started.append(engine)
        return engine

    yield make
    for engine in reversed(started):
        await engine.stop()

"""Interactive transactions over the ordinary client: expiry, waiting, ids that are none."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.db.conftest import STOP
from tests.support.wait import until


async def test_commit_and_rollback(client: Any) -> None:
    async with client.tx() as tx:
        await tx.tag.create({"name": "a"})
        assert await client.tag.count() == 0
    with pytest.raises(KeyError):
        async with client.tx() as tx:
            await tx.tag.create({"name": "b"})
            raise KeyError
    assert [tag.name for tag in await client.tag.find_many()] == ["a"]


async def test_by_hand(client: Any, client_package: Any) -> None:
    manager = client.tx()
    tx = await manager.start()
    await tx.tag.create({"name": "a"})
    await manager.rollback()
    assert await client.tag.count() == 0
    with pytest.raises(client_package.errors.TransactionError):
        await tx.tag.count()
    with pytest.raises(client_package.errors.TransactionError):
        await manager.commit()


async def test_side_by_side(client: Any) -> None:
    async with client.tx() as first, client.tx() as second:
        await first.tag.create({"name": "a"})
        await second.tag.create({"name": "b"})
        assert (await first.tag.count(), await second.tag.count()) == (1, 1)
    assert await client.tag.count() == 2


async def test_expiry_rolls_back_and_frees_the_connection(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.TransactionExpiredError):
        async with client.tx(timeout=timedelta(milliseconds=50)) as tx:
            await tx.tag.create({"name": "a"})
            await tx.query_raw("SELECT pg_sleep(0.2)::text")
            await tx.tag.create({"name": "b"})
    assert await client.tag.count() == 0
    open_ones = (
        "SELECT count(*) AS n FROM pg_stat_activity"
        " WHERE datname = current_database() AND xact_start < now() AND backend_type = 'client backend'"
    )

    async def none_is_open() -> bool:
        return bool((await client.query_first(open_ones))["n"] == 0)

    assert await until(none_is_open, 5, "the end of the expired transaction")


async def test_statement_error_aborts_it(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.RawQueryError, match="current transaction is aborted"):
        async with client.tx() as tx:
            with pytest.raises(client_package.errors.UniqueViolationError):
                await tx.tag.create_many([{"name": "a"}, {"name": "a"}])
            await tx.query_raw("SELECT 1")


@pytest.mark.parametrize("identity", ["x", "../../etc", "c" * 25, "c'; DROP", "ckz0000000000000000000000000000"])
async def test_malformed_id(client: Any, client_package: Any, identity: str) -> None:
    """The engine itself panics on what is no id."""
    engine = client._engine
    with pytest.raises(client_package.errors.TransactionError, match="Transaction not found"):
        await engine.query(_COUNT, tx_id=identity)
    assert await client.tag.count() == 0


_COUNT = '{"query":"query { result: aggregateTag { _count { _all } } }","variables":{}}'


async def test_max_wait(client_package: Any, engine_url: str) -> None:
    """The engine itself waits for the pool's time limit whatever `max_wait` says."""
    url = f"{engine_url}{'&' if '?' in engine_url else '?'}connection_limit=1"
    client = client_package.Prisma(datasource={"url": url}, use_dotenv=False)
    await client.connect()
    try:
        async with client.tx() as tx:
            began = asyncio.get_running_loop().time()
            with pytest.raises(client_package.errors.TransactionError, match="Unable to start a transaction"):
                await client.tx(max_wait=timedelta(milliseconds=100)).start()
            assert asyncio.get_running_loop().time() - began < 1.5
            assert await tx.query_raw("SELECT 1 AS one") == [{"one": 1}]
        # The one that came too late has given its connection back.
        async with client.tx() as tx:
            assert await tx.query_raw("SELECT 1 AS one") == [{"one": 1}]
    finally:
        await client.disconnect(timeout=STOP)


async def test_failed_commit_gives_the_connection_back(client_package: Any, engine_url: str) -> None:
    url = f"{engine_url}{'&' if '?' in engine_url else '?'}connection_limit=1"
    client = client_package.Prisma(datasource={"url": url}, use_dotenv=False)
    await client.connect()
    try:
        await client.execute_raw("CREATE TABLE late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        with pytest.raises(client_package.errors.PrismaError):
            async with client.tx() as tx:
                await tx.execute_raw("INSERT INTO late VALUES (1), (1)")
        assert await client.query_raw("SELECT * FROM late") == []
        await client.execute_raw("DROP TABLE late")
    finally:
        await client.disconnect(timeout=STOP)

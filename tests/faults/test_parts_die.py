"""The database and its engine die under the server while a machine is made and removed: the work goes on."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.faults.parts import over_tcp, ready, strike
from tests.faults.whole import assert_whole, destroy_all, settled
from tests.support.databases import empty_cluster
from tests.support.product import Product
from tests.support.scale import count
from tests.support.wait import until

_MOMENTS = [0.15, 0.0, 0.4, 1.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.5, 2.0]


@pytest.fixture(scope="module")
async def running(product: Product) -> Product:
    """The module's product, serving."""
    await product.start()
    return product


@pytest.mark.parametrize("part", ["engine", "postgres killed", "postgres restarted"])
@pytest.mark.parametrize("moment", _MOMENTS[: count(1, 12)])
async def test_a_part_dies_under_a_creation_and_a_removal(running: Product, part: str, moment: float) -> None:
    loop = asyncio.get_running_loop()
    created = await running.create(f"under {part} {moment}")
    loop.call_later(moment, strike, running, part)

    machines = await settled(running)
    await ready(running)
    assert [(machine["id"], machine["status"]) for machine in machines] == [(created["id"], "running")]
    assert_whole(running, machines)

    loop.call_later(moment / 2, strike, running, part)
    answer = await running.post(f'mutation {{ destroyMachine(id: "{created["id"]}") {{ success message }} }}')
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
    assert codes <= {"UNAVAILABLE"}, answer
    await settled(running)
    await ready(running)
    await destroy_all(running)


async def test_the_server_ends_while_its_database_is_away(guest_iso: Path) -> None:
    """In the middle of a creation, the end of whose step can't be recorded; its log stays readable."""
    async with AsyncExitStack() as stack:
        async with empty_cluster() as socket_url, over_tcp(socket_url) as url:
            product = Product(guest_iso, DATABASE_URL=url)
            stack.push_async_callback(product.close)
            await product.start(fault="create:define:after:hold")
            created = await product.create("unrecorded")
            await until(lambda: created["id"] in product.domains("--all"), 60, "the definition")
        (product.base / "go").touch()
        await until(
            lambda: "Database connection failed" in product.log.read_text(), 60, "a step that can't be recorded"
        )
        assert await product.stop() == 0
        assert product.log.read_text().count("Exception encountered in queue thread for host") <= 2

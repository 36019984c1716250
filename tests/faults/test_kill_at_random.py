"""`kill -9` of the server at random moments of creations and removals that overlap."""

from __future__ import annotations

import asyncio
import random

import httpx
import pytest

from tests.faults.whole import assert_whole, destroy_all, settled
from tests.support.product import Product
from tests.support.scale import count

_SEED = 20260101
_LONGEST = 3.0


@pytest.mark.parametrize("turn", range(count(3, 50)))
async def test_whenever_the_server_is_killed_machines_end_whole(product: Product, turn: int) -> None:
    name = f"turn {turn}"
    await product.start()
    for machine in (await product.ask("{ machines { id } }"))["machines"][1:]:
        await product.verb("destroyMachine", machine["id"])
    await _work_and_die(product, name, random.Random(_SEED + turn).uniform(0, _LONGEST))

    await product.start()
    # The caller repeats what it got no answer to, with the same key: one machine, never two.
    again = await product.create(name, key=name)
    machines = await settled(product)
    assert_whole(product, machines)
    assert [machine["id"] for machine in machines if machine["name"] == name] == [again["id"]]
    await product.kill()


async def test_at_last_nothing_is_left(product: Product) -> None:
    await product.start()
    await destroy_all(product)


async def _work_and_die(product: Product, name: str, moment: float) -> None:
    """Creates one machine and destroys the one of the turn before, and kills the server at the moment (seconds)."""
    earlier = [machine["id"] for machine in (await product.ask("{ machines { id } }"))["machines"]]
    assert product.process is not None
    asyncio.get_running_loop().call_later(moment, product.process.kill)
    calls = [product.create(name, key=name), *(product.verb("destroyMachine", one) for one in earlier)]
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        assert not isinstance(outcome, BaseException) or isinstance(outcome, httpx.TransportError), outcome
    await product.died()

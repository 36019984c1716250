"""`kill -9` of the server in each phase of an installation and at each step of its end: it ends all the same."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.product import Product
from tests.support.product_installs import ended, in_phase, install, installing, without_media
from tests.support.scale import count
from tests.support.wait import until

_PHASES = ("installing", "first-boot", "booting", "ending")
_STEPS = tuple(f"{step}:{phase}" for phase in ("before", "after") for step in ("eject", "media", "start", "ended"))


@pytest.mark.soak
@pytest.mark.parametrize("phase", _PHASES)
async def test_a_server_that_dies_in_a_phase_goes_on_waiting(phase: str) -> None:
    async with installing() as product:
        machine_id = await install(product, f"killed {phase}")
        await in_phase(product, machine_id, phase)
        await product.kill()
        await product.start()
        await _whole(product, machine_id)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_an_installer_that_ends_while_nobody_listens_is_believed_if_its_system_starts() -> None:
    async with installing() as product:
        machine_id = await install(product, "unheard")
        await in_phase(product, machine_id, "installing")
        await product.kill()
        # It waits five minutes for somebody to hear of its end.
        await until(lambda: product.virsh("domstate", machine_id) == "shut off", 600, "the installer's end")
        await product.start()
        await _whole(product, machine_id)


@pytest.mark.parametrize("point", _STEPS[: count(1, 8)])
async def test_the_end_of_an_installation_goes_on_where_it_was_killed(point: str) -> None:
    async with installing(start=False) as product:
        await product.start(fault=f"finish_installation:{point}")
        machine_id = await install(product, f"killed {point}")
        await product.died(240)
        await product.start()
        await _whole(product, machine_id)


async def _whole(product: Product, machine_id: str) -> None:
    found = await ended(product, machine_id)
    assert (found["state"], found["reason"]) == ("installed", None)
    await without_media(product, machine_id)
    assert await product.verb("destroyMachine", machine_id) == {"success": True, "message": "Machine destroyed"}
    assert await asyncio.to_thread(product.leftovers, machine_id) == []

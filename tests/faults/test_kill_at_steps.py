"""`kill -9` before and after the effect of every step: what was begun ends, and nothing is left or doubled."""

from __future__ import annotations

import httpx
import pytest

from tests.support.product import Product

_PHASES = ("before", "after")
_CREATE = ("media", "volume", "filters", "define", "start", "ended")
_DESTROY = ("domain", "volume", "medium", "filters", "records", "ended")


@pytest.mark.parametrize("phase", _PHASES)
@pytest.mark.parametrize("step", _CREATE)
async def test_a_creation_goes_on_where_it_was_killed(product: Product, step: str, phase: str) -> None:
    await product.start(fault=f"create:{step}:{phase}")
    created = await product.create(f"killed {phase} {step}")
    await product.died()

    await product.start()
    operation = await product.ended(created["operation"]["id"])
    machine = await product.machine(created["id"])

    assert (operation["state"], operation["failure"]) == ("SUCCEEDED", None)
    assert machine is not None
    assert (machine["status"], machine["failure"]) == ("running", None)
    assert product.virsh("list", "--uuid").split().count(created["id"]) == 1
    assert await product.verb("destroyMachine", created["id"]) == {"success": True, "message": "Machine destroyed"}
    assert product.leftovers(created["id"]) == []
    await product.kill()


@pytest.mark.parametrize("phase", _PHASES)
@pytest.mark.parametrize("step", _DESTROY)
async def test_a_removal_goes_on_where_it_was_killed(product: Product, step: str, phase: str) -> None:
    await product.start(fault=f"destroy:{step}:{phase}")
    created = await product.create(f"to be killed {phase} {step}")
    creation = await product.ended(created["operation"]["id"])
    assert (creation["state"], creation["failure"]) == ("SUCCEEDED", None)
    with pytest.raises(httpx.TransportError):
        await product.verb("destroyMachine", created["id"])
    await product.died()

    await product.start()
    page = await product.ask(
        f'{{ operations(filter: {{machineId: "{created["id"]}", kind: "destroy"}}) {{ items {{ id }} }} }}'
    )
    (removal,) = page["operations"]["items"]

    removed = await product.ended(removal["id"])
    assert (removed["state"], removed["failure"]) == ("SUCCEEDED", None)
    assert await product.machine(created["id"]) is None
    assert product.leftovers(created["id"]) == []
    await product.kill()

"""`kill -9` before and after the effect of every step: what was begun ends, and nothing is left or doubled."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.product import Product
from tests.support.scale import count

_PHASES = ("after", "before")
_CREATE = ("media", "volume", "filters", "define", "start", "ended")
_DESTROY = ("domain", "volume", "medium", "filters", "records", "ended")
# The client does not know what became of its request, and sends it again.
_KEY = ', idempotencyKey: "of {machine}"'


async def test_what_is_killed_at_each_step_in_turn_goes_on(product: Product) -> None:
    """One machine; the server dies at one point after the other while it is made, and while it is removed."""
    first, *others = _points("create", _CREATE)
    await product.start(fault=first)
    created = await product.create("killed at each step")
    await product.died()
    for point in others:
        await product.start_and_die(point)
    first, *others = _points("destroy", _DESTROY)
    await product.start(fault=first)
    await _is_made(product, created)
    await _dies_removing(product, created["id"])
    for point in others:
        await product.start_and_die(point)
    await product.start()
    await _is_removed(product, created["id"])
    await product.kill()


@pytest.mark.soak
@pytest.mark.parametrize("phase", _PHASES)
@pytest.mark.parametrize("step", _CREATE)
async def test_a_creation_goes_on_where_it_was_killed(product: Product, step: str, phase: str) -> None:
    await product.start(fault=f"create:{step}:{phase}")
    created = await product.create(f"killed {phase} {step}")
    await product.died()
    await product.start()
    await _is_made(product, created)
    assert await product.verb("destroyMachine", created["id"]) == {"success": True, "message": "Machine destroyed"}
    assert product.leftovers(created["id"]) == []
    await product.kill()


@pytest.mark.soak
@pytest.mark.parametrize("phase", _PHASES)
@pytest.mark.parametrize("step", _DESTROY)
async def test_a_removal_goes_on_where_it_was_killed(product: Product, step: str, phase: str) -> None:
    await product.start(fault=f"destroy:{step}:{phase}")
    created = await product.create(f"to be killed {phase} {step}")
    creation = await product.ended(created["operation"]["id"])
    assert (creation["state"], creation["failure"]) == ("SUCCEEDED", None)
    await _dies_removing(product, created["id"])
    await product.start()
    await _is_removed(product, created["id"])
    await product.kill()


def _points(kind: str, steps: tuple[str, ...]) -> list[str]:
    """In small counts after the effect of each step, before it is recorded."""
    return [f"{kind}:{step}:{phase}" for step in steps for phase in _PHASES[: count(1, 2)]]


async def _dies_removing(product: Product, machine_id: str) -> None:
    with pytest.raises(httpx.TransportError):
        await product.verb("destroyMachine", machine_id, _KEY.format(machine=machine_id))
    await product.died()


async def _is_made(product: Product, created: dict[str, Any]) -> None:
    operation = await product.ended(created["operation"]["id"])
    machine = await product.machine(created["id"])
    assert (operation["state"], operation["failure"]) == ("SUCCEEDED", None)
    assert machine is not None
    assert (machine["status"], machine["failure"]) == ("running", None)
    assert product.virsh("list", "--uuid").split().count(created["id"]) == 1


async def _is_removed(product: Product, machine_id: str) -> None:
    page = await product.ask(
        f'{{ operations(filter: {{machineId: "{machine_id}", kind: "destroy"}}) {{ items {{ id }} }} }}'
    )
    (removal,) = page["operations"]["items"]
    told = await product.verb("destroyMachine", machine_id, _KEY.format(machine=machine_id))
    assert told == {"success": True, "message": "Machine destroyed"}
    removed = await product.ended(removal["id"])
    assert (removed["state"], removed["failure"]) == ("SUCCEEDED", None)
    assert await product.machine(machine_id) is None
    assert product.leftovers(machine_id) == []

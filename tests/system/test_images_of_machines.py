"""Images made of machines, and clones of machines: their source stays as it is, and nothing is left of what failed."""

from __future__ import annotations

import hashlib

import pytest

from tests.support.images import (
    add_image,
    clone,
    create_image,
    disks,
    domains,
    files,
    images,
    imaging,
    power_off,
    printed,
    ready,
    remove_image,
)
from tests.support.product import Product
from tests.support.product_installs import ended, install, installing


async def test_machines_begin_with_an_image_of_an_installed_machine() -> None:
    async with installing(("ubuntu", "")) as product:
        source = await install(product, "golden")
        assert (await ended(product, source))["state"] == "installed"
        await power_off(product, source)
        before = _digest(product, source)

        image = await ready(product, await create_image(product, source, "Golden"))

        assert (image["sourceMachineId"], image["sizeGB"]) == (source, 2)
        assert _digest(product, source) == before
        assert domains(product) == []
        assert not (product.base / "machines" / image["id"]).exists()
        created = await product.create("from gold", baseImage=image["id"], mediaMode=None, customStorage=2)
        found = await ended(product, created["id"])
        assert (found["state"], found["reason"], found["mode"]) == ("installed", None, "image")
        await printed(product, created["id"], "installed system from-gold ready")
        for machine_id in (created["id"], source):
            assert (await product.verb("destroyMachine", machine_id))["success"]
            assert product.leftovers(machine_id) == []
        assert await remove_image(product, image["id"]) == {"data": {"removeImage": True}}
        assert files(product) == []


@pytest.mark.soak
async def test_clones_begin_with_the_disk_of_their_source_and_go_without_a_trace() -> None:
    async with imaging() as product:
        image = await ready(product, await add_image(product))
        source = (await product.create("source", baseImage=image["id"], mediaMode=None, customStorage=1))["id"]
        assert (await ended(product, source))["state"] == "installed"
        assert await _refusal(product, source) == "The machine is running"
        await power_off(product, source)
        before = _digest(product, source)

        made = [await clone(product, source, f"clone {n}", linked=n < 2) for n in range(3)]

        for one in made:
            operation = await product.ended(one["operation"]["id"])
            assert (operation["state"], operation["failure"]) == ("SUCCEEDED", None)
        assert (await product.verb("forcePowerOff", made[0]["id"]))["success"]
        for one in made[1:]:
            await printed(product, one["id"], "installed system source ready")
        linked, again, whole = [(await disks(product, one["id"]))[0]["image"] for one in made]
        assert linked == again
        assert linked["name"].startswith("Disk of source")
        assert whole is None
        assert _digest(product, source) == before
        assert (await product.ask(f'{{ machine(id: "{made[0]["id"]}") {{ installation {{ state }} }} }}')) == {
            "machine": {"installation": None}
        }
        for one in (*made, {"id": source}):
            assert (await product.verb("destroyMachine", one["id"]))["success"]
            assert product.leftovers(one["id"]) == []
        assert [one["name"] for one in await images(product)] == ["Cloud"]
        assert files(product) == [f"image-{image['id']}.qcow2"]


@pytest.mark.soak
async def test_an_image_of_a_machine_whose_agent_is_silent_fails_and_leaves_its_row_alone() -> None:
    """In a second no agent has answered."""
    async with imaging() as product:
        base = await ready(product, await add_image(product))
        source = (await product.create("source", baseImage=base["id"], mediaMode=None, customStorage=1))["id"]
        assert (await ended(product, source))["state"] == "installed"
        await power_off(product, source)
        product.settings["INFINIBAY_FIRST_BOOT_SECONDS"] = "1"
        await product.start()
        before = files(product)

        image = await create_image(product, source, "Golden")

        operation = await product.ended(image["operationId"])
        assert (operation["state"], operation["failure"]["step"]) == ("FAILED", "generalise")
        assert operation["failure"]["message"] == "The agent of the copied system did not answer within 1 s"
        assert [one["state"] for one in await images(product) if one["id"] == image["id"]] == ["FAILED"]
        assert (files(product), domains(product)) == (before, [])
        assert not (product.base / "machines" / image["id"]).exists()
        assert await remove_image(product, image["id"]) == {"data": {"removeImage": True}}


async def _refusal(product: Product, machine_id: str) -> str:
    query = f'mutation {{ cloneMachine(id: "{machine_id}", name: "too early") {{ id }} }}'
    (error,) = (await product.post(query))["errors"]
    assert error["extensions"]["code"] == "CONFLICT"
    return str(error["message"])


def _digest(product: Product, machine_id: str) -> str:
    return hashlib.sha256((product.base / "disks" / f"{machine_id}-main.qcow2").read_bytes()).hexdigest()

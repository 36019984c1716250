"""`kill -9` of the server at each step of what makes and removes images and clones: it ends all the same, whole."""

from __future__ import annotations

import httpx
import pytest

from tests.support.cloud_image import build_windows_image
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
    ready,
    said,
    windows_machine,
)
from tests.support.product import Product
from tests.support.product_installs import ended
from tests.support.scale import count
from tests.support.wait import until

_PHASES = ("after", "before")
_ADD = tuple(f"add_image:{step}:{phase}" for phase in _PHASES for step in ("copy", "ended"))
_OF_MACHINES = (
    ("create_image:generalise:after", "copy_disk:copy:after"),
    ("create_image:generalise:before", "copy_disk:ended:before"),
    ("create_image:copy:after", "create:volume:after"),
    ("create_image:copy:before", "create:volume:before"),
    ("create_image:ended:after", "copy_disk:ended:after"),
    ("create_image:ended:before", "copy_disk:copy:before"),
    ("create_image:clean:after", "copy_disk:copy:after"),
    ("create_image:clean:before", "copy_disk:ended:after"),
)
_REMOVE = tuple(f"remove_image:{step}:{phase}" for phase in _PHASES for step in ("volume", "records"))
_REMOVAL = "mutation Remove($id: ID!) { removeImage(id: $id) }"


@pytest.mark.parametrize("point", _ADD[: count(1, 4)])
async def test_an_addition_goes_on_where_it_was_killed(point: str) -> None:
    async with imaging() as product:
        await product.start(fault=point)
        image = await add_image(product)
        await product.died()

        await product.start()

        await ready(product, image)
        assert files(product) == [f"image-{image['id']}.qcow2"]


@pytest.mark.soak
@pytest.mark.parametrize("point", _REMOVE)
async def test_a_removal_goes_on_where_it_was_killed(point: str) -> None:
    async with imaging() as product:
        await product.start(fault=point)
        image = await ready(product, await add_image(product))
        with pytest.raises(httpx.TransportError):
            await product.post(_REMOVAL, {"id": image["id"]})
        await product.died()

        await product.start()
        page = await product.ask('{ operations(filter: {kind: "remove_image"}) { items { id } } }')
        (removal,) = page["operations"]["items"]

        assert (await product.ended(removal["id"]))["state"] == "SUCCEEDED"
        assert await images(product) == []
        assert files(product) == []


@pytest.mark.soak
@pytest.mark.parametrize(("making", "cloning"), _OF_MACHINES)
async def test_what_is_made_of_a_machine_goes_on_where_it_was_killed(making: str, cloning: str) -> None:
    async with imaging() as product:
        source = await _stopped(product)
        await product.start(fault=making)
        image = await create_image(product, source, "Golden")
        await product.died(240)
        await product.start(fault=cloning)
        await ready(product, image)
        assert domains(product) == []
        assert not (product.base / "machines" / image["id"]).exists()

        made = await clone(product, source, "clone", linked=True)
        await product.died()
        await product.start()

        assert (await product.ended(made["operation"]["id"]))["state"] == "SUCCEEDED"
        assert (await disks(product, made["id"]))[0]["image"]["name"].startswith("Disk of source")
        assert (await product.verb("destroyMachine", made["id"]))["success"]
        assert [one["kind"] for one in await images(product)] == ["IMAGE", "IMAGE"]
        assert product.leftovers(made["id"]) == []


@pytest.mark.soak
@pytest.mark.parametrize("point", ["", "create_image:generalise:after"])
async def test_a_windows_is_generalised_once_whenever_it_was_killed(point: str) -> None:
    """Without a point while sysprep is about to run. One that starts again after it asks questions that nobody
    answers."""
    async with imaging(build_windows_image()) as product:
        base = await ready(product, await add_image(product, "Windows", "WINDOWS10"))
        source = await windows_machine(product, "source", base["id"])
        await power_off(product, source)
        await product.start(fault=point)
        image = await create_image(product, source, "Golden")
        if point:
            await product.died(240)
        else:
            await until(lambda: domains(product), 60, "the domain of the copy")
            await product.kill()
        await product.start()

        await ready(product, image, 240)

        assert domains(product) == []
        made = await windows_machine(product, "made", image["id"])
        assert await said(product, made, "cd /var/lib/windows; cat generalised; ls asks") == "source\n"
        for machine_id in (made, source):
            assert (await product.verb("destroyMachine", machine_id))["success"]
            assert product.leftovers(machine_id) == []
        assert files(product) == sorted(f"image-{one['id']}.qcow2" for one in (base, image))


async def _stopped(product: Product) -> str:
    """The id of a machine from the cloud image that has set itself up and is off."""
    image = await ready(product, await add_image(product))
    source: str = (await product.create("source", baseImage=image["id"], mediaMode=None))["id"]
    assert (await ended(product, source))["state"] == "installed"
    assert (await product.verb("powerOff", source))["success"]
    return source

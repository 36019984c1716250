"""Images made of machines, and clones of machines: their source stays as it is, and nothing is left of what failed."""

from __future__ import annotations

import asyncio
import hashlib

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
    phases,
    power_off,
    printed,
    ready,
    remove_image,
    said,
    windows_machine,
)
from tests.support.product import SMALL, Product
from tests.support.product_installs import SECONDS, ended, install, installing

_SCRIPT = "mutation Make($input: CreateScriptInput!) { createScript(input: $input) { script { id } } }"
_FAILURE = "query Failure($id: ID!) { operation(id: $id) { state failure { step message remedy } } }"
_PLAN = "query Plan($input: CreateMachineInputType!) { planMachine(input: $input) { problems { field message } } }"
_STATE = "/var/lib/windows"


@pytest.mark.timeout(900)
async def test_machines_begin_with_an_image_of_an_installed_machine() -> None:
    """Both families at once, since each waits for its guests most of the while."""
    async with asyncio.TaskGroup() as families:
        families.create_task(_of_ubuntu())
        families.create_task(_of_windows())


async def _of_ubuntu() -> None:
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


async def _of_windows() -> None:
    """With a guest that stands for one: libvirt, QEMU and the guest agent are real, its setup and its PowerShell are
    scripts (`tests/support/windows`) which demand what theirs would."""
    async with imaging(build_windows_image()) as product:
        base = await ready(product, await add_image(product, "Windows", "WINDOWS10"))
        assert await _wrong_fields(product, base["id"], edition="Education") == ["edition"]
        assert await _wrong_fields(product, base["id"], os="UBUNTU") == ["baseImage"]
        wanted = {"name": "say", "format": "YAML", "content": "shell: powershell\nscript: Write-Output 'é'"}
        script = (await product.ask(_SCRIPT, {"input": wanted}))["createScript"]["script"]["id"]
        first = await windows_machine(product, "win one", base["id"], script)
        assert await phases(product, first) == ["booting", "first-boot", "finished", None]
        await power_off(product, first)

        golden = await ready(product, await create_image(product, first, "Golden"))

        assert (golden["sourceMachineId"], golden["sizeGB"]) == (first, 32)
        assert (domains(product), (product.base / "machines" / golden["id"]).exists()) == ([], False)
        second = await windows_machine(product, "win two", golden["id"])
        # Generalised once, and set up anew under another name.
        assert await said(product, second, f"hostname; cat {_STATE}/generalised; ls {_STATE}") == (
            "win-two\nwin-one\ncomplete\ngeneralised\nreports\n"
        )
        await _is_refused(product, second)
        for machine_id in (second, first):
            assert (await product.verb("destroyMachine", machine_id))["success"]
            assert product.leftovers(machine_id) == []
        for one in (golden, base):
            assert await remove_image(product, one["id"]) == {"data": {"removeImage": True}}
        assert (files(product), product.secrets_in_log("secret password")) == ([], [])


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


async def _wrong_fields(product: Product, image_id: str, **changes: object) -> list[str]:
    """There is no medium with drivers, which an installer would need."""
    sizes = {"customRam": 2, "customStorage": 32}
    wanted = {**SMALL, "name": "wrong", "os": "WINDOWS10", "mediaMode": None, "baseImage": image_id, **sizes, **changes}
    problems = (await product.ask(_PLAN, {"input": wanted}))["planMachine"]["problems"]
    return [one["field"] for one in problems]


async def _is_refused(product: Product, machine_id: str) -> None:
    """An image of the machine, once it has an app that sysprep refuses."""
    before = files(product)
    await said(product, machine_id, f"echo Example.App >{_STATE}/store-app; sync")
    await power_off(product, machine_id)
    image = await create_image(product, machine_id, "Refused")
    await product.ended(image["operationId"], SECONDS)
    told = (await product.ask(_FAILURE, {"id": image["operationId"]}))["operation"]
    assert (told["state"], told["failure"]["step"]) == ("FAILED", "generalise")
    reason = "Package Example.App was installed for a user alone"
    assert told["failure"]["message"] == f"Sysprep refused to make the copied system fit for others: {reason}"
    assert "Store" in told["failure"]["remedy"]
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

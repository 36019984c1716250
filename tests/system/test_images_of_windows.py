"""Images of Windows through the product, with a guest that stands for one: libvirt, QEMU and the guest agent are real,
its setup and its PowerShell are scripts (`tests/support/windows`) which demand what theirs would."""

from __future__ import annotations

from tests.support.cloud_image import build_windows_image
from tests.support.images import (
    add_image,
    create_image,
    domains,
    files,
    images,
    imaging,
    phases,
    power_off,
    ready,
    remove_image,
    said,
    windows_machine,
)
from tests.support.product import SMALL, Product

_SCRIPT = "mutation Make($input: CreateScriptInput!) { createScript(input: $input) { script { id } } }"
_FAILURE = "query Failure($id: ID!) { operation(id: $id) { state failure { step message remedy } } }"
_PLAN = "query Plan($input: CreateMachineInputType!) { planMachine(input: $input) { problems { field message } } }"
_STATE = "/var/lib/windows"


async def test_windows_machines_begin_with_an_image_of_a_windows_machine() -> None:
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
    await product.ended(image["operationId"])
    told = (await product.ask(_FAILURE, {"id": image["operationId"]}))["operation"]
    assert (told["state"], told["failure"]["step"]) == ("FAILED", "generalise")
    reason = "Package Example.App was installed for a user alone"
    assert told["failure"]["message"] == f"Sysprep refused to make the copied system fit for others: {reason}"
    assert "Store" in told["failure"]["remedy"]
    assert [one["state"] for one in await images(product) if one["id"] == image["id"]] == ["FAILED"]
    assert (files(product), domains(product)) == (before, [])
    assert not (product.base / "machines" / image["id"]).exists()
    assert await remove_image(product, image["id"]) == {"data": {"removeImage": True}}

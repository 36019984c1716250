"""Images through the product: a cloud image, machines that begin with it, and images made of machines."""

from __future__ import annotations

from tests.support.images import add_image, disks, files, images, imaging, phases, ready, remove_image, said
from tests.support.product import Product
from tests.support.product_installs import ended, without_media


async def test_a_machine_from_a_cloud_image_sets_itself_up_and_says_so() -> None:
    async with imaging() as product:
        image = await ready(product, await add_image(product))
        assert (image["kind"], image["sizeGB"], image["machines"]) == ("IMAGE", 1, [])

        created = await product.create("web one", baseImage=image["id"], mediaMode=None, customStorage=2)
        operation = await product.ended(created["operation"]["id"])
        assert (operation["state"], operation["failure"]) == ("SUCCEEDED", None)
        found = await ended(product, created["id"])

        assert (found["state"], found["reason"], found["mode"]) == ("installed", None, "image")
        assert found["tasks"] == [{"kind": "agent", "id": "qemu-guest-agent", "status": 0}]
        await without_media(product, created["id"])
        assert await phases(product, created["id"]) == ["booting", "first-boot", "finished", None]
        assert await said(product, created["id"], "hostname") == "web-one\n"
        serial = (product.base / "machines" / created["id"] / "serial.log").read_text(errors="replace")
        assert "installed system web-one ready" in serial
        assert await disks(product, created["id"]) == [
            {"position": 0, "sizeGB": 2, "image": {"id": image["id"], "name": "Cloud"}}
        ]
        await _is_kept_while_it_is_used(product, image["id"], created["id"])


async def _is_kept_while_it_is_used(product: Product, image_id: str, machine_id: str) -> None:
    (refusal,) = (await remove_image(product, image_id))["errors"]
    assert refusal["extensions"]["code"] == "CONFLICT"
    assert "web one" in refusal["message"]
    (shown,) = await images(product)
    assert [one["id"] for one in shown["machines"]] == [machine_id]
    assert await product.verb("destroyMachine", machine_id) == {"success": True, "message": "Machine destroyed"}
    assert product.leftovers(machine_id) == []
    assert await remove_image(product, image_id) == {"data": {"removeImage": True}}
    assert files(product) == []

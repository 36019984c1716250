"""Debian's own cloud-init and its small kernel, through the product: from the image to a machine, and back.

The soak runs it: each machine boots a whole Debian under emulation, which takes minutes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.images import add_image, create_image, files, imaging, power_off, ready, remove_image, said
from tests.support.installations import ssh_key
from tests.support.product import Product
from tests.support.product_installs import ended, without_media
from tests.support.real_debian import debian_cloud_image

pytestmark = [pytest.mark.soak, pytest.mark.timeout(2400)]

_SECONDS = 900
_KEY = ssh_key("dev@example.com")
_SCRIPT = """
mutation Make($input: CreateScriptInput!) { createScript(input: $input) { script { id } } }
"""
# What each machine has for itself alone.
_OWN = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"


async def test_debian_s_cloud_image_becomes_machines_and_images_of_them() -> None:
    image_file = await asyncio.to_thread(debian_cloud_image)
    async with imaging(image_file, INFINIBAY_FIRST_BOOT_SECONDS=str(_SECONDS)) as product:
        image = await ready(product, await add_image(product, system="DEBIAN"))
        content = "shell: sh\nscript: echo it works > /etc/written"
        wanted = {"name": "write", "format": "YAML", "content": content}
        script = (await product.ask(_SCRIPT, {"input": wanted}))["createScript"]["script"]["id"]
        first = await _machine(
            product, "web one", image["id"], sshKeys=[_KEY], firstBootScripts=[{"scriptId": script, "inputValues": {}}]
        )
        printed = await said(product, first, "hostname; cat /etc/written /home/user/.ssh/authorized_keys; id -nG user")
        assert printed.splitlines() == ["web-one", "it works", _KEY, "user sudo"]
        # Its file system has grown to the size that was asked for.
        assert int(await said(product, first, "df --output=size -B1 / | tail -1")) > 3.5e9
        own = await said(product, first, _OWN)

        await power_off(product, first)
        again = await ready(product, await create_image(product, first, "Golden"), _SECONDS)
        second = await _machine(product, "web two", again["id"])
        assert await said(product, second, "hostname; cat /etc/written") == "web-two\nit works\n"
        other = await said(product, second, _OWN)
        assert len(other.splitlines()) == 2
        assert not set(own.split()) & set(other.split()) - {"ssh-ed25519"}

        for machine_id in (second, first):
            assert (await product.verb("destroyMachine", machine_id))["success"]
            assert product.leftovers(machine_id) == []
        for one in (again, image):
            assert await remove_image(product, one["id"]) == {"data": {"removeImage": True}}
        assert files(product) == []


async def _machine(product: Product, name: str, image_id: str, **changes: Any) -> str:
    """The id of a new machine, which has set itself up."""
    wanted = {"os": "DEBIAN", "baseImage": image_id, "mediaMode": None, "customStorage": 4, **changes}
    machine_id = str((await product.create(name, **wanted))["id"])
    found = await ended(product, machine_id, _SECONDS)
    assert (found["state"], found["reason"], found["mode"]) == ("installed", None, "image")
    assert {task["status"] for task in found["tasks"]} == {0}
    await without_media(product, machine_id)
    return machine_id

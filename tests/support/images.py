"""Products with a cloud image in their ISO directory, and images made by them."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.agent import guest_output
from tests.support.cloud_image import build_cloud_image
from tests.support.guest_iso import build_guest_iso
from tests.support.product import Product
from tests.support.product_installs import LIMITS, ended, without_media
from tests.support.wait import until

FILE = "cloud.qcow2"
SECONDS = 240
_IMAGE = "id name kind state sizeGB operationId sourceMachineId machines { id name }"
_ADD = f"""
mutation Add($file: String!, $name: String!, $os: MachineOs!) {{
  addImage(filename: $file, name: $name, os: $os) {{ {_IMAGE} }}
}}
"""
_CREATE = f"mutation Make($id: ID!, $name: String!) {{ createImage(machineId: $id, name: $name) {{ {_IMAGE} }} }}"
_REMOVE = "mutation Remove($id: ID!) { removeImage(id: $id) }"
_CLONE = """
mutation Clone($id: ID!, $name: String!, $linked: Boolean!) {
  cloneMachine(id: $id, name: $name, linked: $linked) { id status operation { id } department { id } }
}
"""
_EVENTS = "query Events($id: ID!) { machineEvents(machineId: $id, first: 500) { kind data } }"
_DISKS = "query Disks($id: String!) { machine(id: $id) { disks { position sizeGB image { id name } } } }"


@asynccontextmanager
async def imaging(cloud_image: Path | None = None, **settings: str) -> AsyncIterator[Product]:
    """A started server with a cloud image, if no other then the tests' own, in its ISO directory."""
    made = Product(build_guest_iso(), **{**LIMITS, **settings})
    shutil.copy(cloud_image or build_cloud_image(), made.base / "iso" / FILE)
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def add_image(product: Product, name: str = "Cloud", system: str = "UBUNTU") -> dict[str, Any]:
    """The cloud image, as it is about to be added."""
    found: dict[str, Any] = (await product.ask(_ADD, {"file": FILE, "name": name, "os": system}))["addImage"]
    return found


async def create_image(product: Product, machine_id: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await product.ask(_CREATE, {"id": machine_id, "name": name}))["createImage"]
    return found


async def remove_image(product: Product, image_id: str) -> dict[str, Any]:
    """The whole answer."""
    answer: dict[str, Any] = await product.post(_REMOVE, {"id": image_id})
    return answer


async def images(product: Product) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await product.ask(f"{{ images {{ {_IMAGE} }} }}"))["images"]
    return found


async def ready(product: Product, image: dict[str, Any], seconds: float = SECONDS) -> dict[str, Any]:
    """The image, once it is made."""
    operation = await product.ended(image["operationId"], seconds)
    assert operation["state"] == "SUCCEEDED", operation
    (found,) = [one for one in await images(product) if one["id"] == image["id"]]
    assert found["state"] == "READY"
    return found


async def clone(product: Product, machine_id: str, name: str, *, linked: bool) -> dict[str, Any]:
    variables = {"id": machine_id, "name": name, "linked": linked}
    made: dict[str, Any] = (await product.ask(_CLONE, variables))["cloneMachine"]
    product.departments.add(made["department"]["id"])
    return made


async def disks(product: Product, machine_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await product.ask(_DISKS, {"id": machine_id}))["machine"]["disks"]
    return found


async def printed(product: Product, machine_id: str, text: str) -> None:
    """Waits until a machine's system has printed the text."""
    log = product.base / "machines" / machine_id / "serial.log"

    async def look() -> bool:
        return log.exists() and text in log.read_text(errors="replace")

    await until(look, SECONDS, f"{text!r} on the serial port")


async def windows_machine(product: Product, name: str, image_id: str, *scripts: str) -> str:
    """The id of a new machine from the image that stands for Windows, set up and restarted after it."""
    chosen = [{"scriptId": script, "inputValues": {}} for script in scripts]
    wanted: dict[str, Any] = {"os": "WINDOWS10", "customRam": 2, "customStorage": 32, "mediaMode": None}
    created = await product.create(name, **wanted, baseImage=image_id, firstBootScripts=chosen)
    machine_id, host = str(created["id"]), name.replace(" ", "-")
    found = await ended(product, machine_id)
    assert (found["state"], found["reason"], found["mode"]) == ("installed", None, "image")
    assert found["tasks"] == [{"kind": "script", "id": script, "status": 0} for script in scripts]
    await without_media(product, machine_id)
    await printed(product, machine_id, f"Windows has started again as {host}")
    assert await said(product, machine_id, "hostname") == f"{host}\n"
    return machine_id


async def phases(product: Product, machine_id: str) -> list[str | None]:
    """Those that its installation went through."""
    events = (await product.ask(_EVENTS, {"id": machine_id}))["machineEvents"]
    return [one["data"]["phase"] for one in events if one["kind"] == "machine.installation" and "phase" in one["data"]]


async def said(product: Product, machine_id: str, command: str) -> str:
    """What a command of the guest's shell prints, once its agent answers."""
    ask = partial(_ask_agent, product, machine_id)
    await until(lambda: ask("guest-ping") is not None, SECONDS, "the agent")
    return await asyncio.to_thread(guest_output, ask, command, SECONDS)


def _ask_agent(product: Product, machine_id: str, execute: str, **arguments: object) -> Any:
    """Its answer; None without one."""
    question = json.dumps({"execute": execute, "arguments": arguments})
    answer = product.virsh("qemu-agent-command", machine_id, question)
    return json.loads(answer)["return"] if answer else None


async def power_off(product: Product, machine_id: str) -> None:
    """Powers it off, and waits until it is."""
    assert (await product.verb("powerOff", machine_id))["success"]

    async def is_off() -> bool:
        machine = await product.machine(machine_id)
        return machine is not None and machine["status"] == "stopped"

    await until(is_off, 60, "the machine's power-off")


def files(product: Product) -> list[str]:
    """What lies in the pool, and what an interrupted copy left there."""
    folder = product.base / "disks"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def domains(product: Product) -> list[str]:
    """The names of the domains in which the product makes images."""
    names = product.virsh("list", "--all", "--name").split()
    return [name for name in names if name.startswith("image-") and product.is_ours(name)]

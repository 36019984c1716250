"""Products whose medium is a test's installer, and machines followed to the end of their installation."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import httpx

from tests.support.installer_iso import Family, Fault, build_installer_iso
from tests.support.product import Product
from tests.support.wait import until

SECONDS = 280
# Times that hold under emulation on a busy host.
LIMITS = {
    "INFINIBAY_INSTALLER_BEGIN_SECONDS": "240",
    "INFINIBAY_INSTALLER_SECONDS": "240",
    "INFINIBAY_FIRST_BOOT_SECONDS": "240",
}
INSTALLATION = """
query Installation($id: String!) {
  machine(id: $id) { status installation { state mode phase reason startedAt endedAt tasks { kind id status } } }
}
"""


@asynccontextmanager
async def installing(
    *media: tuple[Family, Fault],
    start: bool = True,
    parent: str = "/var/lib/libvirt",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Product]:
    """A server whose library holds these test installers; the first works where none is named. It is started unless
    the test does that."""
    chosen = media or (("ubuntu", ""),)
    made = Product(build_installer_iso(*chosen[0]), parent, **{**LIMITS, **settings})
    library = made.base / "iso"
    (library / "ubuntu.iso").rename(library / _file(*chosen[0]))
    for family, fault in chosen[1:]:
        shutil.copy(build_installer_iso(family, fault), library / _file(family, fault))
    try:
        if start:
            await made.start()
        yield made
    finally:
        await made.close()


def _file(family: Family, fault: Fault) -> str:
    return f"{family}-{fault}.iso" if fault else f"{family}.iso"


async def install(product: Product, name: str, family: Family = "ubuntu", fault: Fault = "", **changes: Any) -> str:
    """The id of a new machine, whose installation begins from that installer."""
    found = (await product.ask("{ allISOs { id filename } }"))["allISOs"]
    (iso,) = [one["id"] for one in found if one["filename"] == _file(family, fault)]
    created = await product.create(
        name, **{"os": family.upper(), "customStorage": 2, "isoId": iso, "mediaMode": None, **changes}
    )
    return str(created["id"])


async def installation(product: Product, machine_id: str) -> dict[str, Any]:
    """How far it has come, with the machine's status."""
    machine = (await product.ask(INSTALLATION, {"id": machine_id}))["machine"]
    return {"status": machine["status"], **machine["installation"]}


async def in_phase(product: Product, machine_id: str, *phases: str) -> dict[str, Any]:
    """The installation, once it is in one of the phases, or has ended."""

    async def look() -> dict[str, Any] | None:
        found = await installation(product, machine_id)
        return found if found["phase"] in phases or found["state"] in {"installed", "failed"} else None

    return await until(look, SECONDS, f"the phase {' or '.join(phases)}")


async def ended(product: Product, machine_id: str, seconds: float = SECONDS) -> dict[str, Any]:
    """The installation, once it has ended; a server that is away for a moment is waited for."""

    async def look() -> dict[str, Any] | None:
        try:
            found = await installation(product, machine_id)
        except httpx.TransportError:
            return None
        return found if found["state"] in {"installed", "failed"} else None

    return await until(look, seconds, "the end of the installation")


async def without_media(product: Product, machine_id: str) -> None:
    """Waits until nothing that the installer needed is left: no files, no kernel, nothing in a drive."""

    async def look() -> bool:
        return not remains(product, machine_id)

    await until(look, 150, "the removal of the media")


def remains(product: Product, machine_id: str) -> list[str]:
    """What is left of an installer's media."""
    directory = product.base / "machines" / machine_id
    found = [name for name in ("seed.iso", "kernel", "initrd", "windows.qcow2") if (directory / name).exists()]
    remastered = product.base / "iso" / "temp" / "remastered"
    found += [str(path) for path in remastered.glob("*/image.iso")]
    # What runs keeps the kernel that it was started with.
    found += ["medium in a drive"] if ".iso'" in product.virsh("dumpxml", machine_id) else []
    defined = product.virsh("dumpxml", "--inactive", machine_id)
    return found + [f"{word} in the definition" for word in ("<kernel>", ".iso'", "sdb") if word in defined]

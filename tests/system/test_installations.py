"""Real installations through the product: the test's installers take the answers, write a disk and boot it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from tests.support.installer_iso import Family, Fault
from tests.support.private_libvirtd import private_libvirtd
from tests.support.product import Product
from tests.support.product_installs import ended, in_phase, install, installation, installing, without_media
from tests.support.scale import count

_REPORT = """
query Report($id: ID!) {
  installationReport(machineId: $id) { installation { state reason } screens { at png } serial installerLog }
}
"""
_EVENTS = "query Events($id: ID!) { machineEvents(machineId: $id, first: 500) { kind data } }"
_UEFI = ("/usr/share/OVMF", "/usr/share/qemu/firmware")
_FAMILIES: tuple[Family, ...] = ("ubuntu", "fedora", "debian")
_PHASES = ("booting", "installing", "ending", "first-boot", "finished", None)
# In small counts each family in one of the modes.
_WAYS: list[tuple[Family, str]] = [
    *(("ubuntu", "seed"), ("fedora", "remaster"), ("debian", "seed")),
    *(("ubuntu", "remaster"), ("fedora", "seed"), ("debian", "remaster")),
]
_FAULTS: list[tuple[Fault, str, str]] = [
    ("rejects", "failed", "The installer reported that it failed"),
    ("panics", "failed", "The guest crashed"),
    ("garbage", "installed", ""),
    ("contradicts", "installed", ""),
    ("gives-up", "failed", "The machine powered off before its installer had finished"),
]
_NONE: Mapping[str, int] = MappingProxyType({})
_AGENT = ("agent", "qemu-guest-agent", 0)
_APPLICATION = """
mutation Make($input: CreateApplicationInputType!) { createApplication(input: $input) { id } }
"""


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    faults = [fault for fault, _, _ in _FAULTS[: count(1, 5)]]
    works: list[tuple[Family, Fault]] = [(family, "") for family in _FAMILIES]
    async with installing(*works, *(("ubuntu", fault) for fault in faults), ("ubuntu", "hangs")) as made:
        await made.knows_its_media()
        yield made


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ways", [_WAYS[:3], _WAYS[3:]][: count(1, 2)])
async def test_systems_install_themselves_and_say_so(product: Product, ways: list[tuple[Family, str]]) -> None:
    before = _digests(product)
    applications = {await _application(product, f"{ways} {end}", f"exit {end}"): end for end in (0, 7)}
    wanted = [{"machineId": "", "applicationId": one, "parameters": {}} for one in applications]
    made = {
        await install(product, f"{family} {mode}", family, mediaMode=mode.upper(), applications=wanted): (family, mode)
        for family, mode in ways
    }
    await asyncio.gather(*(_whole(product, machine_id, *way, applications) for machine_id, way in made.items()))
    assert _digests(product) == before


async def _whole(
    product: Product, machine_id: str, family: Family, mode: str, applications: Mapping[str, int] = _NONE
) -> None:
    found = await ended(product, machine_id)

    assert (found["state"], found["reason"], found["mode"]) == ("installed", None, mode)
    first, *others = [(one["kind"], one["id"], one["status"]) for one in found["tasks"]]
    assert first == _AGENT
    assert sorted(others) == sorted(("application", one, status) for one, status in applications.items())
    assert found["startedAt"] < found["endedAt"]
    assert found["status"] == "running"
    await without_media(product, machine_id)
    assert f"installed system {family}-{mode} ready" in _serial(product, machine_id)
    pong = await asyncio.to_thread(product.virsh, "qemu-agent-command", machine_id, '{"execute":"guest-ping"}')
    assert json.loads(pong) == {"return": {}}
    assert [one["phase"] for one in await _told(product, machine_id) if "phase" in one] == [*_PHASES]
    assert (await product.verb("forcePowerOff", machine_id))["success"]
    assert (await product.verb("powerOn", machine_id))["success"]
    again = await installation(product, machine_id)
    assert (again["state"], again["status"]) == ("installed", "running")
    await _destroy(product, machine_id)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("ways", [_WAYS[:3], _WAYS[3:]])
async def test_systems_install_themselves_where_there_is_no_uefi(ways: list[tuple[Family, str]]) -> None:
    network = "<network><name>isolated</name><bridge name='ibbios0'/></network>"
    media: list[tuple[Family, Fault]] = [(family, "") for family in _FAMILIES]
    async with private_libvirtd(hidden=_UEFI) as daemon:
        settings = {"LIBVIRT_URI": daemon.uri, "LIBVIRT_NETWORK_NAME": "isolated"}
        async with installing(*media, parent="/var/lib", start=False, settings=settings) as product:
            (product.base / "network.xml").write_text(network)
            assert "defined" in product.virsh("net-define", str(product.base / "network.xml"))
            await product.start()
            try:
                made = {
                    await install(product, f"{family} {mode}", family, mediaMode=mode.upper()): (family, mode)
                    for family, mode in ways
                }
                for machine_id in made:
                    assert "<loader" not in product.virsh("dumpxml", machine_id)
                await asyncio.gather(*(_whole(product, machine_id, *way) for machine_id, way in made.items()))
            finally:
                product.virsh("net-destroy", "isolated")


@pytest.mark.parametrize(("fault", "state", "reason"), _FAULTS[: count(1, 5)])
async def test_an_installer_that_misbehaves_leads_to_a_clear_end(
    product: Product, fault: Fault, state: str, reason: str
) -> None:
    machine_id = await install(product, f"troubled {fault}", fault=fault)

    found = await ended(product, machine_id)

    assert (found["state"], found["reason"] or "") == (state, reason)
    await without_media(product, machine_id)
    report = (await product.ask(_REPORT, {"id": machine_id}))["installationReport"]
    assert report["installation"] == {"state": state, "reason": reason or None}
    assert report["serial"]
    if state == "failed":
        assert base64.b64decode(report["screens"][-1]["png"]).startswith(b"\x89PNG")
    await _destroy(product, machine_id)


async def test_a_guest_that_never_reports_fails_in_time_and_blocks_no_verb() -> None:
    async with installing(("ubuntu", "hangs"), settings={"INFINIBAY_INSTALLER_BEGIN_SECONDS": "20"}) as product:
        machine_id = await install(product, "silent", fault="hangs")
        await in_phase(product, machine_id, "booting")

        assert (await product.verb("suspend", machine_id))["success"]
        assert (await product.verb("resumeMachine", machine_id))["success"]
        found = await ended(product, machine_id)

        assert (found["state"], found["status"]) == ("failed", "running")
        assert found["reason"] == "The installer did not report its begin within 20 s"
        await without_media(product, machine_id)
        await _destroy(product, machine_id)


async def _application(product: Product, name: str, command: str) -> str:
    wanted = {"name": name, "os": [*_FAMILIES], "installCommand": dict.fromkeys(_FAMILIES, command)}
    return str((await product.ask(_APPLICATION, {"input": wanted}))["createApplication"]["id"])


async def _told(product: Product, machine_id: str) -> list[dict[str, Any]]:
    """What the events say of the installation."""
    events = (await product.ask(_EVENTS, {"id": machine_id}))["machineEvents"]
    return [one["data"] for one in events if one["kind"] == "machine.installation"]


async def _destroy(product: Product, machine_id: str) -> None:
    assert await product.verb("destroyMachine", machine_id) == {"success": True, "message": "Machine destroyed"}
    assert product.leftovers(machine_id) == []


def _serial(product: Product, machine_id: str) -> str:
    return (product.base / "machines" / machine_id / "serial.log").read_text(errors="replace")


def _digests(product: Product) -> dict[str, str]:
    """The ISOs of the library, which nobody may change."""
    return {
        iso.name: hashlib.sha256(iso.read_bytes()).hexdigest() for iso in sorted((product.base / "iso").glob("*.iso"))
    }

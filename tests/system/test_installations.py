"""Real installations through the product: the test's installers take the answers, write a disk and boot it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.installer_iso import Family, Fault
from tests.support.product import Product
from tests.support.product_installs import ended, in_phase, install, installation, installing, media_of, without_media
from tests.support.scale import count

_REPORT = """
query Report($id: ID!) {
  installationReport(machineId: $id) { installation { state reason } screens { at png } serial installerLog }
}
"""
_EVENTS = "query Events($id: ID!) { machineEvents(machineId: $id, first: 500) { kind data } }"
# One of each family and each mode first; all of them with the full count.
_WAYS: list[tuple[Family, str]] = [
    ("ubuntu", "seed"),
    ("fedora", "remaster"),
    ("debian", "seed"),
    ("ubuntu", "remaster"),
    ("fedora", "seed"),
    ("debian", "remaster"),
]
_FAULTS: list[tuple[Fault, str, str]] = [
    ("rejects", "failed", "The installer reported that it failed"),
    ("panics", "failed", "The guest crashed"),
    ("garbage", "installed", ""),
    ("contradicts", "installed", ""),
    ("gives-up", "failed", "The machine powered off before its installer had finished"),
]


@pytest.mark.parametrize(("family", "mode"), _WAYS[: count(3, 6)])
async def test_a_system_installs_itself_and_says_so(family: Family, mode: str) -> None:
    async with installing(family) as product:
        (iso,) = media_of(product)
        before = hashlib.sha256(iso.read_bytes()).hexdigest()
        machine_id = await install(product, family, "web one", mediaMode=mode.upper(), sshKeys=[])

        found = await ended(product, machine_id)

        assert (found["state"], found["reason"], found["mode"]) == ("installed", None, mode)
        assert found["tasks"] == [{"kind": "agent", "id": "qemu-guest-agent", "status": 0}]
        assert found["startedAt"] < found["endedAt"]
        assert found["status"] == "running"
        await without_media(product, machine_id)
        serial = (product.base / "machines" / machine_id / "serial.log").read_text(errors="replace")
        assert "installed system web-one ready" in serial
        pong = json.loads(product.virsh("qemu-agent-command", machine_id, '{"execute":"guest-ping"}'))
        assert pong == {"return": {}}
        assert hashlib.sha256(iso.read_bytes()).hexdigest() == before
        assert await _phases(product, machine_id) == [
            phase
            for phase in ("booting", "installing", "ending", "first-boot", "finished", None)
            if family != "debian" or phase != "installing"
        ]
        await _runs_on_from_its_disk(product, machine_id)
        assert await product.verb("destroyMachine", machine_id) == {"success": True, "message": "Machine destroyed"}
        assert product.leftovers(machine_id) == []


async def _phases(product: Product, machine_id: str) -> list[str | None]:
    """The phases as the events tell them."""
    events = (await product.ask(_EVENTS, {"id": machine_id}))["machineEvents"]
    return [one["data"]["phase"] for one in events if one["kind"] == "machine.installation" and "phase" in one["data"]]


async def _runs_on_from_its_disk(product: Product, machine_id: str) -> None:
    """Also after its power was cut, and without any secret kept."""
    assert (await product.verb("forcePowerOff", machine_id))["success"]
    assert (await product.verb("powerOn", machine_id))["success"]
    found = await installation(product, machine_id)
    assert (found["state"], found["status"]) == ("installed", "running")


@pytest.fixture
async def faulty(request: pytest.FixtureRequest) -> AsyncIterator[Product]:
    fault: Fault = request.param
    async with installing("ubuntu", fault) as product:
        yield product


@pytest.mark.parametrize(("faulty", "state", "reason"), _FAULTS[: count(2, 5)], indirect=["faulty"])
async def test_an_installer_that_misbehaves_leads_to_a_clear_end(faulty: Product, state: str, reason: str) -> None:
    machine_id = await install(faulty, "ubuntu", "troubled")

    found = await ended(faulty, machine_id)

    assert (found["state"], found["reason"] or "") == (state, reason)
    await without_media(faulty, machine_id)
    report = (await faulty.ask(_REPORT, {"id": machine_id}))["installationReport"]
    assert report["installation"] == {"state": state, "reason": reason or None}
    assert report["serial"]
    if state == "failed":
        assert base64.b64decode(report["screens"][-1]["png"]).startswith(b"\x89PNG")
    assert await faulty.verb("destroyMachine", machine_id) == {"success": True, "message": "Machine destroyed"}
    assert faulty.leftovers(machine_id) == []


async def test_a_guest_that_never_reports_fails_in_time_and_blocks_no_verb() -> None:
    async with installing("ubuntu", "hangs", INFINIBAY_INSTALLER_BEGIN_SECONDS="45") as product:
        machine_id = await install(product, "ubuntu", "silent")
        await in_phase(product, machine_id, "booting")

        assert (await product.verb("suspend", machine_id))["success"]
        assert (await product.verb("resumeMachine", machine_id))["success"]
        found = await ended(product, machine_id)

        assert found["state"] == "failed"
        assert found["reason"] == "The installer did not report its begin within 45 s"
        await without_media(product, machine_id)
        assert (await installation(product, machine_id))["status"] == "running"

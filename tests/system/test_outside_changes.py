"""What others do to our domains is noticed and told truthfully, and what goes wrong in a creation can be mended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import CREATE, MACHINES, SMALL, Product
from tests.system.life import events_of, running_machine, serving, status_becomes


@pytest.fixture(scope="module")
def empty_medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A medium without a system: what is tested here needs no guest that boots."""
    medium = tmp_path_factory.mktemp("media") / "empty.iso"
    medium.write_bytes(bytes(64 * 1024))
    return medium


@pytest.fixture(scope="module")
async def product(empty_medium: Path) -> AsyncIterator[Product]:
    """One server for the module."""
    async with serving(empty_medium, INFINIBAY_POWER_OFF_SECONDS="1") as made:
        yield made


@pytest.fixture(scope="module")
async def machine(product: Product) -> str:
    """A running machine."""
    return await running_machine(product, "theirs")


async def test_virsh_pauses_resumes_stops_and_starts_it(product: Product, machine: str) -> None:
    changes = {"suspend": "paused", "resume": "running", "destroy": "stopped", "start": "running"}
    for command, status in changes.items():
        product.virsh(command, machine)
        await status_becomes(product, machine, status)
    told = [event["data"]["status"] for event in await events_of(product, machine) if event["kind"] == "machine.status"]
    assert told[-4:] == list(changes.values())


async def test_it_changes_while_the_server_is_down(product: Product, machine: str) -> None:
    await product.kill()
    product.virsh("destroy", machine)
    await product.start()
    await status_becomes(product, machine, "stopped")


async def test_it_is_renamed(product: Product, machine: str) -> None:
    assert "renamed" in product.virsh("domrename", machine, "elsewhere")
    assert await product.verb("powerOn", machine) == {"success": True, "message": "Machine running"}
    await status_becomes(product, machine, "running")
    assert product.virsh("domname", machine) == "elsewhere"


async def test_its_domain_vanishes_and_powerOn_defines_it_again(product: Product, machine: str) -> None:  # noqa: N802
    product.virsh("destroy", machine)
    product.virsh("undefine", machine, "--nvram", "--managed-save")
    found = await status_becomes(product, machine, "failed")
    assert "gone from the hypervisor" in str((await _status_events(product, machine))[-1]["reason"])
    assert found["id"] == machine
    assert await product.verb("powerOn", machine) == {"success": True, "message": "Machine running"}
    await status_becomes(product, machine, "running")


async def test_its_disk_vanishes(product: Product, machine: str) -> None:
    await product.verb("forcePowerOff", machine)
    product.virsh("vol-delete", f"{machine}-main.qcow2", product.pool)
    outcome = await product.verb("powerOn", machine)
    assert outcome["success"] is False
    assert f"{machine}-main.qcow2" in outcome["message"]
    await status_becomes(product, machine, "stopped")
    assert await product.verb("destroyMachine", machine) == {"success": True, "message": "Machine destroyed"}
    assert product.leftovers(machine) == []


async def test_a_key_makes_one_machine_however_often_it_comes(product: Product) -> None:
    first = await product.create("once", key="the key")
    assert await product.create("once", key="the key") == first
    other = await product.post(CREATE, {"input": {**SMALL, "name": "twice"}, "key": "the key"})
    assert other["errors"][0]["extensions"]["code"] == "CONFLICT"
    await product.ended(first["operation"]["id"])
    assert [one["name"] for one in (await product.ask(MACHINES))["machines"]] == ["once"]


async def test_a_taken_name_is_named(product: Product) -> None:
    refused = await product.post(CREATE, {"input": {**SMALL, "name": "  ONCE "}})
    (problem,) = refused["errors"][0]["extensions"]["fields"]
    assert (problem["field"], problem["code"]) == ("name", "CONFLICT")


async def test_every_wrong_field_is_named_at_once_and_nothing_is_made(product: Product) -> None:
    wrong = {**SMALL, "name": " ", "customCores": 0, "username": "root", "password": "", "os": "FEDORA"}
    before = product.held()
    refused = await product.post(CREATE, {"input": wrong})
    named = {problem["field"] for problem in refused["errors"][0]["extensions"]["fields"]}
    assert named == {"name", "customCores", "username", "password", "os"}
    assert product.held() == before


async def test_a_busy_machine_refuses_and_its_removal_cancels_its_creation(product: Product) -> None:
    created = await product.create("short-lived")
    outcome = await product.verb("suspend", created["id"])
    assert outcome == {"success": False, "message": "The machine is busy: create is under way."}
    assert await product.verb("destroyMachine", created["id"]) == {"success": True, "message": "Machine destroyed"}
    assert product.leftovers(created["id"]) == []


async def test_a_cancelled_creation_leaves_a_failed_machine_and_nothing_else(product: Product) -> None:
    created = await product.create("cancelled")
    query = f'mutation {{ cancelOperation(id: "{created["operation"]["id"]}") {{ state }} }}'
    assert "errors" not in await product.post(query)
    operation = await product.ended(created["operation"]["id"])
    found = await product.machine(created["id"])
    assert found is not None
    # A request that comes with the last step comes too late, and then the machine runs.
    assert (operation["state"], found["status"]) in {("CANCELLED", "failed"), ("SUCCEEDED", "running")}
    assert await product.verb("destroyMachine", created["id"]) == {"success": True, "message": "Machine destroyed"}
    assert product.leftovers(created["id"]) == []


async def test_without_keeping_a_failed_machine_goes_at_once(empty_medium: Path) -> None:
    async with serving(empty_medium, INFINIBAY_KEEP_FAILED="0", LIBVIRT_NETWORK_NAME="br-absent") as own:
        created = await own.create("goes")
        operation = await own.ended(created["operation"]["id"])
        assert (operation["state"], operation["failure"]["step"]) == ("FAILED", "start")
        assert "br-absent" in operation["failure"]["message"]
        assert await own.machine(created["id"]) is None
        assert own.held() == {"domains": [], "volumes": [], "directories": []}


async def test_windows_11_has_tpm_and_secure_boot(product: Product) -> None:
    (product.base / "iso" / "windows11.iso").write_bytes(bytes(64 * 1024))
    machine = await running_machine(product, "win", os="WINDOWS11", customRam=4, customStorage=64)
    xml = product.virsh("dumpxml", machine)
    assert '<backend type="emulator" version="2.0"' in xml.replace("'", '"')
    assert '<loader readonly="yes" secure="yes"' in xml.replace("'", '"')
    assert any(place.startswith("/var/lib/libvirt/swtpm/") for place in product.leftovers(machine))
    assert await product.verb("destroyMachine", machine) == {"success": True, "message": "Machine destroyed"}
    assert product.leftovers(machine) == []


async def test_spice_has_its_agent_channel(empty_medium: Path) -> None:
    async with serving(empty_medium, GRAPHIC_PROTOCOL="spice") as own:
        machine = await running_machine(own, "spicy")
        xml = own.virsh("dumpxml", machine).replace("'", '"')
        assert '<graphics type="spice"' in xml
        assert 'name="com.redhat.spice.0"' in xml
        query = f'{{ graphicConnection(id: "{machine}") {{ protocol link }} }}'
        told = (await own.ask(query))["graphicConnection"]
        assert told["protocol"] == "spice"
        assert told["link"].startswith("spice://")


async def _status_events(product: Product, machine_id: str) -> list[dict[str, Any]]:
    return [event["data"] for event in await events_of(product, machine_id) if event["kind"] == "machine.status"]

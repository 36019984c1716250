"""libvirtd is killed and started again while a machine is made and removed: the work waits and goes on."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.whole import assert_whole, destroy_all, settled
from tests.support.private_libvirtd import PrivateLibvirtd, private_libvirtd
from tests.support.product import Product
from tests.support.scale import count
from tests.support.wait import until

_MOMENTS = [0.05, 0.5, 1.2, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0]
_NETWORK = "<network><name>isolated</name><bridge name='ibfault0'/></network>"


@pytest.fixture(scope="module")
async def daemon() -> AsyncIterator[PrivateLibvirtd]:
    """A libvirtd that may be killed."""
    async with private_libvirtd() as started:
        yield started


@pytest.fixture(scope="module")
async def running(guest_iso: Path, daemon: PrivateLibvirtd) -> AsyncIterator[Product]:
    """A product on that libvirtd, below a folder that both see and that QEMU's account may pass."""
    made = Product(guest_iso, "/var/lib", LIBVIRT_URI=daemon.uri, LIBVIRT_NETWORK_NAME="isolated")
    # A run that was cut short leaves its bridge to the kernel, and libvirt takes none that it has not made.
    await (await asyncio.create_subprocess_exec("ip", "link", "delete", "ibfault0", stderr=DEVNULL)).wait()
    network = made.base / "network.xml"
    network.write_text(_NETWORK)
    assert "defined" in made.virsh("net-define", str(network))
    try:
        await made.start()
        yield made
    finally:
        await made.close()
        made.virsh("net-destroy", "isolated")


async def _restart(daemon: PrivateLibvirtd, moment: float) -> None:
    killed = asyncio.Event()

    def kill() -> None:
        daemon.kill()
        killed.set()

    asyncio.get_running_loop().call_later(moment, kill)
    await killed.wait()
    await daemon.start()


@pytest.mark.parametrize("moment", _MOMENTS[: count(3, 12)])
async def test_libvirtd_dies_under_a_creation_and_a_removal(
    running: Product, daemon: PrivateLibvirtd, moment: float
) -> None:
    created = await running.create(f"under libvirtd {moment}")
    await _restart(daemon, moment)

    machines = await settled(running)
    assert [(machine["id"], machine["status"]) for machine in machines] == [(created["id"], "running")], machines
    assert_whole(running, machines)

    removal = asyncio.create_task(running.verb("destroyMachine", created["id"]))
    await _restart(daemon, moment / 3)
    assert await removal == {"success": True, "message": "Machine destroyed"}
    await destroy_all(running)


async def test_without_libvirtd_the_server_says_so_and_recovers(running: Product, daemon: PrivateLibvirtd) -> None:
    async def is_ready() -> bool:
        return (await running.get("/health/ready")).status_code == 200

    async def is_not_ready() -> bool:
        return not await is_ready()

    daemon.kill()
    await until(is_not_ready, 30, "the loss being noticed")
    answer = await running.post('mutation { powerOn(id: "3f0b6f0e-9a53-4ad4-8a3e-8f2f3a1d8f10") { success message } }')
    assert answer["data"]["powerOn"] == {"success": False, "message": "Machine not found"}
    report = (await running.get("/health/ready")).json()
    assert "hypervisor" in str(report)

    await daemon.start()
    await until(is_ready, 60, "the recovery")

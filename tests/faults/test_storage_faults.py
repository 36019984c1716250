"""Disks that cannot be made: a full pool, a pool QEMU may not enter, a folder that cannot be one."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.whole import assert_whole, destroy_all, settled
from tests.support.product import MACHINE, Product

_RETRY = """
mutation Retry($id: String!, $password: String) {
  retryMachine(id: $id, password: $password) { id status operation { id } }
}
"""


@pytest.fixture
async def own(guest_iso: Path) -> AsyncIterator[Product]:
    """A product of this test alone, not started yet."""
    made = Product(guest_iso)
    try:
        yield made
    finally:
        await made.close()


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


async def _fails(product: Product, name: str) -> tuple[str, dict[str, str]]:
    """The id and the failure of a machine whose creation fails and leaves nothing."""
    created = await product.create(name)
    operation = await product.ended(created["operation"]["id"])
    assert operation["state"] == "FAILED", operation
    machines = await settled(product)
    assert [(machine["id"], machine["status"]) for machine in machines] == [(created["id"], "failed")]
    assert_whole(product, machines)
    failure: dict[str, str] = (await product.ask(MACHINE, {"id": created["id"]}))["machine"]["failure"]
    return str(created["id"]), failure


async def _retried(product: Product, machine_id: str) -> None:
    """Tries the failed creation again, which succeeds now, and destroys the machine."""
    again = (await product.ask(_RETRY, {"id": machine_id, "password": "another secret"}))["retryMachine"]
    assert (await product.ended(again["operation"]["id"]))["state"] == "SUCCEEDED"
    machines = await settled(product)
    assert [machine["status"] for machine in machines] == ["running"]
    assert_whole(product, machines)
    await destroy_all(product)


async def test_a_full_pool(own: Product) -> None:
    disks = own.base / "disks"
    disks.mkdir(mode=0o711)
    _run("mount", "-t", "tmpfs", "-o", "size=128k,mode=0711", "tmpfs", str(disks))
    try:
        await own.start()
        machine_id, failure = await _fails(own, "too big")
        assert failure["step"] == "volume"
        assert "No space left" in failure["message"]
        assert failure["remedy"]
        _run("mount", "-o", "remount,size=256m", str(disks))
        await _retried(own, machine_id)
    finally:
        own.virsh("pool-destroy", own.pool)
        _run("umount", "--lazy", str(disks))


async def test_a_pool_that_qemu_may_not_enter(own: Product) -> None:
    closed = own.base / "closed"
    closed.mkdir(mode=0o700)
    own.settings["INFINIBAY_STORAGE_POOL_PATH"] = str(closed / "disks")
    await own.start()
    machine_id, failure = await _fails(own, "behind a door")
    assert failure["step"] == "start"
    assert "Permission denied" in failure["message"]
    assert failure["remedy"]
    closed.chmod(0o711)
    await _retried(own, machine_id)


async def test_a_pool_below_a_file(own: Product) -> None:
    own.settings["INFINIBAY_STORAGE_POOL_PATH"] = str(own.base / "iso" / "ubuntu.iso" / "disks")
    await own.start()
    _machine_id, failure = await _fails(own, "nowhere")
    assert failure["step"] == "volume"
    assert "Not a directory" in failure["message"]
    assert "path of the pool" in failure["remedy"]
    assert own.virsh("pool-list", "--all", "--name").split().count(own.pool) == 0


async def test_another_folder_than_the_pools_stops_the_start(own: Product) -> None:
    await own.start()
    created = await own.create("first")
    await own.ended(created["operation"]["id"])
    await destroy_all(own)
    assert await own.stop() == 0

    own.settings["INFINIBAY_STORAGE_POOL_PATH"] = str(own.base / "elsewhere")
    with pytest.raises(AssertionError, match=f"INFINIBAY_STORAGE_POOL_PATH is .*, but the pool '{own.pool}'"):
        await own.start()

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import libvirt
import pytest

from infinibay.errors import Conflict, HostFailure, InfinibayError, ObjectExists
from infinibay.host import process
from infinibay.libvirtxml.storage import VolumeSpec, volume_xml
from infinibay.virt.api import PoolInfo
from infinibay.virt.hypervisor import LibvirtHypervisor

POOL = "v-sys-pool"
GB = 1024**3


@pytest.fixture
async def pool(hypervisor: LibvirtHypervisor, reachable_dir: Path) -> AsyncIterator[PoolInfo]:
    """A pool that did not exist, in a folder that did not exist."""
    yield await hypervisor.storage.ensure_pool(POOL, str(reachable_dir / "disks"))
    remove_pool(POOL)


def remove_pool(name: str) -> None:
    connection = libvirt.open("qemu:///system")
    for pool in connection.listAllStoragePools(0):
        if pool.name() == name:
            if pool.isActive():
                pool.destroy()
            pool.undefine()
    connection.close()


async def test_a_missing_pool_is_made_started_and_kept(hypervisor: LibvirtHypervisor, pool: PoolInfo) -> None:
    assert pool.active
    assert pool.capacity >= pool.available > 0
    assert _mode(pool.path) == 0o711
    connection = libvirt.open("qemu:///system")
    found = connection.storagePoolLookupByName(POOL)
    assert (found.isPersistent(), found.autostart()) == (1, 1)
    found.destroy()
    stopped = await hypervisor.storage.find_pool(POOL)
    assert stopped is not None
    assert (stopped.path, stopped.active) == (pool.path, False)
    again = await hypervisor.storage.ensure_pool(POOL, pool.path)
    assert again.active
    # The folder vanished while the pool was off.
    found.destroy()
    shutil.rmtree(pool.path)
    assert (await hypervisor.storage.ensure_pool(POOL, pool.path)).active
    connection.close()


async def test_another_path_is_a_conflict_and_changes_nothing(hypervisor: LibvirtHypervisor, pool: PoolInfo) -> None:
    with pytest.raises(Conflict) as raised:
        await hypervisor.storage.ensure_pool(POOL, "/somewhere/else")
    assert (
        raised.value.message == f"The storage pool {POOL!r} of this host lies in {pool.path}, not in /somewhere/else."
    )
    assert "INFINIBAY_STORAGE_POOL_PATH" in (raised.value.remedy or "")
    assert (await hypervisor.storage.ensure_pool(POOL, pool.path)).path == pool.path


async def test_a_pool_that_cannot_be_made_is_not_left_behind(
    hypervisor: LibvirtHypervisor, reachable_dir: Path
) -> None:
    (reachable_dir / "file").write_text("no folder")
    with pytest.raises(HostFailure) as raised:
        await hypervisor.storage.ensure_pool("v-sys-impossible", str(reachable_dir / "file" / "disks"))
    assert raised.value.remedy is not None
    assert await hypervisor.storage.find_pool("v-sys-impossible") is None


async def test_a_volume_has_all_that_was_asked_for(hypervisor: LibvirtHypervisor, pool: PoolInfo) -> None:
    name = "v-sys-main.qcow2"
    made = await hypervisor.storage.create_volume(POOL, volume_xml(VolumeSpec(name, 2)), preallocate_metadata=True)
    assert (made.name, made.path, made.capacity) == (name, f"{pool.path}/{name}", 2 * GB)
    ended = await process.run(["qemu-img", "info", "--output", "json", made.path], seconds=30)
    facts = json.loads(ended.stdout)
    specific = facts["format-specific"]["data"]
    assert (facts["format"], facts["virtual-size"], facts["cluster-size"]) == ("qcow2", 2 * GB, 65536)
    assert (specific["compat"], specific["lazy-refcounts"], specific["extended-l2"]) == ("1.1", True, True)
    # The metadata alone: more than an empty file's 200 KB, far less than the disk.
    assert 400_000 < facts["actual-size"] < 4_000_000
    assert await hypervisor.storage.find_volume(POOL, name) is not None
    assert [volume.name for volume in await hypervisor.storage.list_volumes(POOL)] == [name]
    await hypervisor.storage.delete_volume(POOL, name)
    assert _names(pool.path) == []
    assert await hypervisor.storage.find_volume(POOL, name) is None


async def test_a_file_that_nobody_told_libvirt_of_is_a_collision(hypervisor: LibvirtHypervisor, pool: PoolInfo) -> None:
    foreign = Path(pool.path) / "v-sys-foreign.qcow2"
    foreign.write_text("somebody's data")
    with pytest.raises(ObjectExists):
        await hypervisor.storage.create_volume(
            POOL, volume_xml(VolumeSpec(foreign.name, 1)), preallocate_metadata=False
        )
    assert foreign.read_text() == "somebody's data"


async def test_many_volumes_at_once(hypervisor: LibvirtHypervisor, pool: PoolInfo) -> None:
    names = [f"v-sys-{number}.qcow2" for number in range(20)]

    async def make(name: str) -> None:
        await hypervisor.storage.create_volume(POOL, volume_xml(VolumeSpec(name, 20)), preallocate_metadata=True)

    results = await asyncio.gather(*(make(name) for name in [*names, names[0]]), return_exceptions=True)
    failures = [result for result in results if result is not None]
    assert [type(failure) for failure in failures] == [ObjectExists]
    assert sorted(volume.name for volume in await hypervisor.storage.list_volumes(POOL)) == sorted(names)


async def test_only_our_errors_leave(hypervisor: LibvirtHypervisor, pool: PoolInfo) -> None:
    with pytest.raises(InfinibayError):
        await hypervisor.storage.create_volume(
            POOL, "<volume><name>v-sys-bad</name></volume>", preallocate_metadata=False
        )
    assert await hypervisor.storage.list_volumes(POOL) == []


def _names(path: str) -> list[str]:
    return [file.name for file in Path(path).iterdir()]


def _mode(path: str) -> int:
    return Path(path).stat().st_mode & 0o777

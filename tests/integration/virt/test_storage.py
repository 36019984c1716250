from __future__ import annotations

import pytest

from infinibay.errors import Conflict, ObjectExists, ObjectMissing
from infinibay.libvirtxml.storage import VolumeSpec, volume_xml
from infinibay.virt.hypervisor import LibvirtHypervisor

POOL = "default-pool"
GB = 1024**3


async def test_a_volume_is_made_found_and_deleted(twin: LibvirtHypervisor) -> None:
    storage = twin.storage
    assert await storage.find_volume(POOL, "v-main.qcow2") is None
    made = await storage.create_volume(POOL, volume_xml(VolumeSpec("v-main.qcow2", 2)), preallocate_metadata=False)
    assert (made.name, made.path, made.capacity) == ("v-main.qcow2", "/default-pool/v-main.qcow2", 2 * GB)
    assert await storage.find_volume(POOL, "v-main.qcow2") == made
    assert await storage.list_volumes(POOL) == [made]
    with pytest.raises(ObjectExists) as raised:
        await storage.create_volume(POOL, volume_xml(VolumeSpec("v-main.qcow2", 3)), preallocate_metadata=False)
    assert raised.value.message == "The storage pool 'default-pool' already has a volume 'v-main.qcow2'."
    assert await storage.list_volumes(POOL) == [made]
    await storage.delete_volume(POOL, "v-main.qcow2")
    assert await storage.find_volume(POOL, "v-main.qcow2") is None
    with pytest.raises(ObjectMissing):
        await storage.delete_volume(POOL, "v-main.qcow2")


async def test_a_missing_pool(twin: LibvirtHypervisor) -> None:
    storage = twin.storage
    assert await storage.find_pool("v-none") is None
    assert await storage.find_volume("v-none", "x") is None
    with pytest.raises(ObjectMissing):
        await storage.list_volumes("v-none")
    with pytest.raises(ObjectMissing):
        await storage.refresh("v-none")


async def test_a_pool_is_made_once_and_then_used(twin: LibvirtHypervisor) -> None:
    made = await twin.storage.ensure_pool("v-pool", "/v/pool")
    assert (made.name, made.path, made.active) == ("v-pool", "/v/pool", True)
    assert await twin.storage.ensure_pool("v-pool", "/v/../v/pool/") == made
    assert await twin.storage.find_pool("v-pool") == made


async def test_a_pool_at_another_path_is_a_conflict(twin: LibvirtHypervisor) -> None:
    with pytest.raises(Conflict) as raised:
        await twin.storage.ensure_pool(POOL, "/elsewhere")
    assert (
        raised.value.message == "The storage pool 'default-pool' of this host lies in /default-pool, not in /elsewhere."
    )
    assert raised.value.remedy == (
        "Set INFINIBAY_STORAGE_POOL_PATH to /default-pool, or INFINIBAY_STORAGE_POOL_NAME to another."
    )

"""Whole clones: what they are copied from stays until nobody can need it any more, however their creation goes.

The disks are real files; libvirt's test driver is told of them, as it looks into no folder.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest

from infinibay.core import naming
from infinibay.db import machines
from infinibay.errors import HostFailure, HypervisorUnavailable
from infinibay.libvirtxml.storage import VolumeSpec, volume_xml
from infinibay.services.machines.creation_steps import CREATE
from infinibay.services.machines.design import MachineDesign
from tests.support.whole import Whole

_CLONE = """
mutation ($id: ID!, $name: String!) {
  cloneMachine(id: $id, name: $name, linked: false) { id operation { id } }
}
"""
_RETRY = "mutation ($id: String!) { retryMachine(id: $id) { operation { id } } }"
_DESTROY = "mutation ($id: String!) { destroyMachine(id: $id) { success } }"
_OPERATION = "query ($id: ID!) { operation(id: $id) { state failure { step message remedy } } }"
_MACHINE = "query ($id: String!) { machine(id: $id) { status disks { image { id } } } }"
_REFUSED = HostFailure("The host has no memory left")


class Folder:
    """The pool of the product. Its storage is told of each file that comes, and removes those that it deletes."""

    def __init__(self, product: Whole) -> None:
        self.path = product.settings.new_pool_path
        self.name = product.settings.infinibay_storage_pool_name
        self.storage: Any = creation(product)._hypervisor.storage
        self._delete = self.storage.delete_volume
        self.storage.refresh, self.storage.delete_volume = self.refresh, self.delete

    async def refresh(self, pool: str) -> None:
        for name in self.files():
            if await self.storage.find_volume(pool, name) is None:
                await self.storage.create_volume(pool, volume_xml(VolumeSpec(name, 1)), preallocate_metadata=False)

    async def delete(self, pool: str, name: str) -> None:
        await self._delete(pool, name)
        (self.path / name).unlink()

    def files(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())


@pytest.fixture(scope="module")
async def folder(product: Whole) -> Folder:
    made = Folder(product)
    made.path.mkdir()
    await made.storage.ensure_pool(made.name, str(made.path))
    return made


@pytest.fixture
async def source(product: Whole, folder: Folder) -> AsyncIterator[str]:
    """The id of a stopped machine whose disk begins with sevens; nothing but it is in the pool."""
    machine_id = str((await product.machine())["id"])
    ((volume,),) = await product.rows("SELECT volume_name FROM machine_disks WHERE machine_id = %s", machine_id)
    path = folder.path / volume
    run("qemu-img", "create", "-q", "-f", "qcow2", path, "1G")
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 65536", path)
    await folder.refresh(folder.name)
    await product.rows("UPDATE machines SET status = 'stopped' WHERE id = %s RETURNING id", machine_id)
    await product.rows("UPDATE installations SET state = 'installed' WHERE machine_id = %s RETURNING 1", machine_id)
    yield machine_id
    assert (await product.ask(_DESTROY, {"id": machine_id}))["destroyMachine"]["success"]
    assert folder.files() == []


def creation(product: Whole) -> Any:
    ended: Any = product.services.machines._engine._kinds[CREATE].ended
    return ended.__self__


def run(*command: str | Path) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout


def holds_sevens(path: Path) -> bool:
    said = run("qemu-io", "-f", "qcow2", "-c", "read -P 7 0 65536", path)
    return b"verification failed" not in said


@contextmanager
def start_fails(product: Whole) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(creation(product)._hypervisor.domains, "start", AsyncMock(side_effect=_REFUSED))
        yield


async def clone(product: Whole, source: str) -> tuple[str, dict[str, Any]]:
    """The id of a whole clone, and how its creation ended."""
    made = (await product.ask(_CLONE, {"id": source, "name": f"clone {uuid4()}"}))["cloneMachine"]
    return str(made["id"]), await ended(product, made)


async def retry(product: Whole, machine_id: str) -> dict[str, Any]:
    """How the new attempt ended."""
    return await ended(product, (await product.ask(_RETRY, {"id": machine_id}))["retryMachine"])


async def ended(product: Whole, made: dict[str, Any]) -> dict[str, Any]:
    await product.settled()
    found: dict[str, Any] = (await product.ask(_OPERATION, {"id": made["operation"]["id"]}))["operation"]
    return found


async def copies(product: Whole) -> list[str]:
    """The files that clones are made from."""
    found = await product.rows("SELECT volume_name FROM images")
    return [str(name) for (name,) in found]


async def assert_whole(product: Whole, folder: Folder, source: str, machine_id: str) -> None:
    """It runs with all of its source's disk and stands on nothing, and the copy between them is gone."""
    shown = (await product.ask(_MACHINE, {"id": machine_id}))["machine"]
    assert shown == {"status": "running", "disks": [{"image": None}]}
    volumes = [naming.main_volume(naming.domain_name(one)) for one in (source, machine_id)]
    assert folder.files() == sorted(volumes)
    assert holds_sevens(folder.path / volumes[1])
    told = json.loads(run("qemu-img", "info", "--output=json", folder.path / volumes[1]))
    assert "backing-filename" not in told
    assert await copies(product) == []
    assert (await product.ask(_DESTROY, {"id": machine_id}))["destroyMachine"]["success"]


async def test_a_whole_clone_stands_on_nothing(product: Whole, folder: Folder, source: str) -> None:
    machine_id, operation = await clone(product, source)
    assert (operation["state"], operation["failure"]) == ("SUCCEEDED", None)
    await assert_whole(product, folder, source, machine_id)


async def test_its_domain_is_the_same_whenever_it_is_defined(
    product: Whole, folder: Folder, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As powerOn defines one again that has gone."""
    definition, domains = creation(product)._definition, creation(product)._hypervisor.domains
    start, designs = domains.start, []

    async def designed(uuid: str) -> MachineDesign:
        machine = await machines.find_with_disks(definition._database, uuid)
        assert machine is not None
        made: MachineDesign = await definition.design_of(machine)
        return made

    async def look(uuid: str) -> None:
        designs.append(await designed(uuid))
        await start(uuid)

    monkeypatch.setattr(domains, "start", look)
    machine_id, _ = await clone(product, source)
    assert designs == [await designed(machine_id)]
    await assert_whole(product, folder, source, machine_id)


async def test_a_failed_one_is_tried_again_from_the_same_copy(product: Whole, folder: Folder, source: str) -> None:
    with start_fails(product):
        machine_id, operation = await clone(product, source)
    assert (operation["state"], operation["failure"]["step"]) == ("FAILED", "start")
    assert set(folder.files()) > set(await copies(product)) != set()

    operation = await retry(product, machine_id)

    assert (operation["state"], operation["failure"]) == ("SUCCEEDED", None)
    await assert_whole(product, folder, source, machine_id)


async def test_the_copy_goes_with_a_failed_one_that_is_destroyed(product: Whole, folder: Folder, source: str) -> None:
    with start_fails(product):
        machine_id, _ = await clone(product, source)
    assert (await product.ask(_DESTROY, {"id": machine_id}))["destroyMachine"]["success"]
    assert await copies(product) == []
    assert folder.files() == [naming.main_volume(naming.domain_name(source))]


async def test_nothing_is_made_where_there_is_nothing_to_copy(product: Whole, folder: Folder, source: str) -> None:
    with start_fails(product):
        machine_id, _ = await clone(product, source)
    await product.rows("UPDATE machine_disks SET base_image_id = NULL WHERE machine_id = %s RETURNING id", machine_id)

    operation = await retry(product, machine_id)

    assert (operation["state"], operation["failure"]) == (
        "FAILED",
        {
            "step": "volume",
            "message": "The disk that the machine should be a copy of is gone",
            "remedy": "Destroy the machine, and clone its source again",
        },
    )
    assert naming.main_volume(naming.domain_name(machine_id)) not in folder.files()
    assert (await product.ask(_DESTROY, {"id": machine_id}))["destroyMachine"]["success"]


async def test_an_ending_that_was_cut_off_ends_the_second_time(
    product: Whole, folder: Folder, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill, when some of it is done already."""
    really = folder.storage.delete_volume

    async def once_cut_off(pool: str, name: str) -> None:
        await really(pool, name)
        monkeypatch.setattr(folder.storage, "delete_volume", really)
        raise HypervisorUnavailable

    monkeypatch.setattr(folder.storage, "delete_volume", once_cut_off)
    machine_id, operation = await clone(product, source)
    assert (operation["state"], operation["failure"]) == ("SUCCEEDED", None)
    assert folder.storage.delete_volume == really
    await assert_whole(product, folder, source, machine_id)


async def test_a_copy_that_can_t_be_removed_costs_no_machine(product: Whole, folder: Folder, source: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder.storage, "delete_volume", AsyncMock(side_effect=HostFailure("Read-only file system")))
        machine_id, operation = await clone(product, source)
    assert (operation["state"], operation["failure"]) == ("SUCCEEDED", None)
    assert len(await copies(product)) == 1

    other, _ = await clone(product, source)

    for one in (machine_id, other):
        assert (await product.ask(_DESTROY, {"id": one}))["destroyMachine"]["success"]
    assert await copies(product) == []

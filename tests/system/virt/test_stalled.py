"""A guest that a full disk stops: it is told as such, and goes on once there is space."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from infinibay.errors import HostFailure
from infinibay.operations.api import StepContext
from infinibay.services.machines.power import PowerVerbs
from infinibay.virt.api import DomainInfo, DomainState
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.domain_xml import diskless_domain, new_uuid
from tests.support.wait import until

# Writes a sector at cylinder 10 with the firmware's help, and rests: mov ax, 0x301; mov cx, 0xa01; int 0x13; hlt …
_WRITING_BOOT_SECTOR = bytes.fromhex("31c08ec0bb007cb80103b9010aba8000cd13f4ebfd").ljust(510, b"\0") + b"\x55\xaa"
_DISK_SIZE = 64 * 1024**2
_DISK = "<disk type='file'><driver name='qemu' type='raw'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>"


@pytest.fixture
def full(reachable_dir: Path) -> Iterator[Path]:
    """A file system without space, with a disk whose guest writes to it, and a `filling`."""
    folder = reachable_dir / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0711", "tmpfs", str(folder)], check=True)
    try:
        (folder / "disk").write_bytes(_WRITING_BOOT_SECTOR)
        os.truncate(folder / "disk", _DISK_SIZE)
        with pytest.raises(OSError, match="No space left"):
            (folder / "filling").write_bytes(bytes(64 * 1024))
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def _resume(hypervisor: LibvirtHypervisor, identity: str) -> Any:
    kinds = {kind.name: kind for kind in PowerVerbs(hypervisor, AsyncMock(), AsyncMock(), 30).kinds()}
    (step,) = kinds["resume"].steps
    return await step.run(AsyncMock(spec=StepContext, machine_id=identity))


async def test_a_guest_that_a_full_disk_stops_goes_on_when_there_is_space(
    hypervisor: LibvirtHypervisor, full: Path
) -> None:
    domains, identity = hypervisor.domains, new_uuid()

    async def stalled() -> DomainInfo | None:
        found = await domains.find(identity)
        return found if found is not None and found.stalled else None

    devices = _DISK.format(full / "disk")
    await domains.define(diskless_domain("v-sys-stalled", identity, os="<boot dev='hd'/>", devices=devices))
    try:
        await domains.start(identity)
        found = await until(stalled, 60, "the guest's first write")
        assert found.state is DomainState.PAUSED
        assert found in await domains.list_all()
        with pytest.raises(HostFailure, match="The guest can't go on: paused by a disk error"):
            await _resume(hypervisor, identity)

        await asyncio.to_thread((full / "filling").unlink)
        assert await _resume(hypervisor, identity) == {"message": "Machine resumed"}
        assert await domains.find(identity) == DomainInfo(identity, "v-sys-stalled", DomainState.RUNNING)
        await domains.destroy(identity)
    finally:
        await domains.undefine(identity)

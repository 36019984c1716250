"""The disks of a new machine: empty, standing on an image, or a copy of one."""

from __future__ import annotations

from pathlib import Path

from infinibay.db import images, rows
from infinibay.db.client import Database
from infinibay.errors import DeadlineExceeded, HostFailure, HypervisorError, ObjectExists
from infinibay.libvirtxml.storage import VolumeSpec, volume_xml
from infinibay.log import get_logger
from infinibay.operations.api import StepContext
from infinibay.services.image_volumes import ImageVolumes
from infinibay.virt.api import Hypervisor

log = get_logger(__name__)

_GB = 1024**3


class Disks:
    """Makes volumes. One that is there already, from an interrupted run, is known by its name and adopted."""

    def __init__(self, database: Database, hypervisor: Hypervisor, volumes: ImageVolumes) -> None:
        self._database = database
        self._storage = hypervisor.storage
        self._volumes = volumes

    async def make(self, context: StepContext, disk: rows.MachineDisk) -> None:
        """The volume of a disk, in an active pool. An image that is still made is waited for; with `whole` in the
        operation's input the disk is a copy of it, and else only what differs from it. Raises HostFailure when there
        is nothing to copy any more."""
        base = await self._volumes.ready(context, disk.baseImageId) if disk.baseImageId else None
        if _is_whole(context):
            await self._copy(context, disk, base)
            return
        backing = None if base is None else (await self._volumes.present(base)).path
        try:
            await self._create(disk, backing)
        except ObjectExists:
            # An interrupted run left it.
            if not await self._adopted(disk):
                await self._create(disk, backing)

    async def stand_alone(self, context: StepContext, machine_id: str) -> None:
        """For a creation that has succeeded, as a failed one is tried again from the same base: a whole copy stands on
        nothing any more, and the base goes with the last that needs it."""
        if not _is_whole(context):
            return
        async with self._database.tx() as tx:
            await images.release(tx, machine_id)
        try:
            await self._volumes.collect()
        except (HypervisorError, DeadlineExceeded) as error:
            # The machine runs, and the next removal of a machine or an image tries it again.
            log.warning("image.copy_stays", error=error.message)

    async def _create(self, disk: rows.MachineDisk, backing: str | None) -> None:
        xml = volume_xml(VolumeSpec(disk.volumeName, disk.sizeGB, backing))
        # libvirt reserves room for the tables of a disk only if that stands on nothing.
        await self._storage.create_volume(disk.pool, xml, preallocate_metadata=backing is None)

    async def _copy(self, context: StepContext, disk: rows.MachineDisk, base: rows.Image | None) -> None:
        if base is not None:
            source = Path((await self._volumes.present(base)).path)
            await self._volumes.copy(context, source, "qcow2", disk.pool, disk.volumeName, size=disk.sizeGB * _GB)
        elif await self._storage.find_volume(disk.pool, disk.volumeName) is None:
            remedy = "Destroy the machine, and clone its source again"
            raise HostFailure("The disk that the machine should be a copy of is gone", remedy=remedy)

    async def _adopted(self, disk: rows.MachineDisk) -> bool:
        """Whether an interrupted run made the volume; half a one is removed."""
        found = await self._storage.find_volume(disk.pool, disk.volumeName)
        if found is None:
            return False
        if found.capacity == disk.sizeGB * _GB:
            return True
        await self._storage.delete_volume(disk.pool, disk.volumeName)
        return False


def _is_whole(context: StepContext) -> bool:
    return bool(context.input.get("whole"))

"""The volumes of images: made whole or not at all, and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path

from infinibay.db import events, images, rows
from infinibay.db.client import Database
from infinibay.errors import HostFailure, NotFound, ObjectMissing, OperationCancelled
from infinibay.operations.api import StepContext
from infinibay.unattended.media import disk_image
from infinibay.virt.api import Hypervisor, VolumeInfo

_LOOK_SECONDS = 1.0


class ImageVolumes:
    """Works on files of the pool's folder: the host's libvirt is this machine's."""

    def __init__(self, database: Database, hypervisor: Hypervisor) -> None:
        self._database = database
        self._hypervisor = hypervisor

    async def find(self, image: rows.Image) -> VolumeInfo | None:
        return await self._hypervisor.storage.find_volume(image.pool, image.volumeName)

    async def present(self, image: rows.Image) -> VolumeInfo:
        """Raises HostFailure when it is gone."""
        found = await self.find(image)
        if found is None:
            remedy = f"Put {image.volumeName} back into the pool {image.pool}"
            raise HostFailure(f"The volume of the image {image.name} is gone", remedy=remedy)
        return found

    async def copy(
        self,
        context: StepContext,
        source: Path,
        kind: disk_image.Format,
        pool: str,
        volume: str,
        *,
        size: int | None = None,
    ) -> None:
        """A whole copy of a disk as a volume of the pool; one that is there already is left as it is. Raises
        OperationCancelled when somebody asks for the operation's end meanwhile."""
        storage = self._hypervisor.storage
        if await storage.find_volume(pool, volume) is not None:
            return
        found = await storage.find_pool(pool)
        if found is None:
            raise NotFound(f"There is no storage pool {pool}")
        target = Path(found.path) / volume
        if not await asyncio.to_thread(target.exists):
            await _unless_cancelled(context, disk_image.copy(source, kind, target, size=size))
        await storage.refresh(pool)

    async def remove(self, pool: str, volume: str) -> None:
        """What is absent is fine."""
        storage = self._hypervisor.storage
        found = await storage.find_pool(pool)
        if found is None:
            return
        await disk_image.remove_part(Path(found.path) / volume)
        if not found.active:
            await storage.ensure_pool(pool, found.path)
        if await storage.find_volume(pool, volume) is None:
            # What was cut short may have left a file that libvirt has not seen yet.
            await storage.refresh(pool)
        with suppress(ObjectMissing):
            await storage.delete_volume(pool, volume)

    async def ready(self, context: StepContext, image_id: str) -> rows.Image:
        """The image, once it is made. NotFound when that failed, OperationCancelled when nobody waits any more."""
        while (image := await images.find(self._database, image_id)) is not None and image.state == "making":
            if await context.cancelled():
                raise OperationCancelled
            async with context.aside():
                await asyncio.sleep(_LOOK_SECONDS)
        if image is None or image.state != "ready":
            raise NotFound("The disk that it should begin with could not be made")
        return image

    async def collect(self) -> None:
        """Removes the copies of machines' disks that no clone stands on any more."""
        for found in await images.unused_copies(self._database):
            async with self._database.tx() as tx:
                image = await images.lock(tx, found.id)
                if image is None or image.state == "making" or await images.machines_on(tx, found.id):
                    continue
                await images.set_state(tx, found.id, "removing")
            await self.remove(found.pool, found.volumeName)
            async with self._database.tx() as tx:
                if await images.delete(tx, found.id):
                    await tell(tx, "image.removed", found)


async def tell(
    tx: Database,
    kind: str,
    image: rows.Image,
    *,
    reason: str | None = None,
    operation_id: str | None = None,
    actor_id: str | None = None,
) -> None:
    """Writes the event of a change: {imageId, name, os}, and the reason of a failure."""
    data = {"imageId": image.id, "name": image.name, "os": image.os, **({"reason": reason} if reason else {})}
    await events.append(tx, kind=kind, data=data, operation_id=operation_id, actor_id=actor_id)


async def _unless_cancelled(context: StepContext, work: Awaitable[None]) -> None:
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
            if await context.cancelled():
                raise OperationCancelled
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

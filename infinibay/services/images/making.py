"""The kinds of operations that make and remove images.

A machine's disk is copied while its operation keeps every other verb off; the machine itself is never touched.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from infinibay.db import images, machines, rows
from infinibay.db.client import Database
from infinibay.errors import HostFailure, NotFound, UnusableMedium, WrongState
from infinibay.operations.api import Failure, OperationKind, Step, StepContext
from infinibay.services.image_volumes import ImageVolumes, tell
from infinibay.services.images.generalise import Generaliser
from infinibay.services.machines.definition import Definition
from infinibay.unattended.media import disk_image
from infinibay.virt.api import DomainState, Hypervisor

ADD, CREATE, COPY, REMOVE = "add_image", "create_image", "copy_disk", "remove_image"


class ImageSteps:
    """Builds the kinds. Each effect derives from the image's id and is adopted if it is already there."""

    def __init__(
        self,
        database: Database,
        hypervisor: Hypervisor,
        volumes: ImageVolumes,
        definition: Definition,
        generaliser: Generaliser,
        iso_dir: Path,
    ) -> None:
        self._database = database
        self._hypervisor = hypervisor
        self._volumes = volumes
        self._definition = definition
        self._generaliser = generaliser
        self._iso_dir = iso_dir

    def kinds(self) -> tuple[OperationKind, ...]:
        """The table of this module's kinds."""
        add = Step("copy", self._add, undo=self._remove_volume, budget="copy")
        copy = Step("copy", self._copy, undo=self._remove_volume, budget="copy")
        generalise = Step("generalise", self._generalise, undo=self._end_generalising, budget="copy")
        clean = Step("clean", self._end_generalising)
        return (
            OperationKind(ADD, (add,), ended=self._made),
            OperationKind(CREATE, (copy, generalise, clean), ended=self._made, exclusive=True),
            OperationKind(COPY, (copy,), ended=self._made, exclusive=True),
            OperationKind(REMOVE, (Step("volume", self._remove_volume), Step("records", self._remove_records))),
        )

    async def _add(self, context: StepContext) -> None:
        """The file of the ISO directory is looked at again, as it may have been exchanged meanwhile."""
        image = await self._image(context)
        path = self._iso_dir / str(context.input["filename"])
        await self._definition.ensure_pool(image.pool)
        found = await disk_image.look(path)
        if found.stamp != context.input["stamp"]:
            raise UnusableMedium(f"{path.name} is no longer the file that was chosen")
        await self._volumes.copy(context, path, found.format, image.pool, image.volumeName)
        if (await disk_image.look(path)).stamp != found.stamp:
            raise UnusableMedium(f"{path.name} was changed while it was copied")

    async def _copy(self, context: StepContext) -> None:
        """Everything that the machine's disk holds, whatever it stands on."""
        image = await self._image(context)
        machine = await machines.find_with_disks(self._database, str(context.machine_id))
        if machine is None or not machine.disks:
            raise NotFound("Machine not found")
        domain = await self._hypervisor.domains.find(machine.id)
        if domain is not None and domain.state is not DomainState.SHUTOFF:
            raise WrongState("The machine runs, and its disk can only be copied while it does not")
        disk = machine.disks[0]
        await self._definition.ensure_pool(image.pool)
        source = await self._hypervisor.storage.find_volume(disk.pool, disk.volumeName)
        if source is None:
            raise HostFailure("The machine's disk is gone")
        stamp = await asyncio.to_thread(disk_image.stamp_of, Path(source.path))
        if image.sourceStamp not in (None, stamp):
            raise WrongState("The machine's disk was changed meanwhile")
        await self._volumes.copy(context, Path(source.path), "qcow2", image.pool, image.volumeName)
        if await asyncio.to_thread(disk_image.stamp_of, Path(source.path)) != stamp:
            raise WrongState("The machine's disk was changed while it was copied")

    async def _generalise(self, context: StepContext) -> None:
        """What was cut short begins again with a new copy."""
        if await self._generaliser.was_cut_short(str(context.input["image"])):
            await self._remove_volume(context)
            # Last, as what it removes is what tells that the copy can't be used.
            await self._end_generalising(context)
        await self._copy(context)
        machine = await machines.find_with_disks(self._database, str(context.machine_id))
        if machine is None:
            raise NotFound("Machine not found")
        await self._generaliser.run(context, await self._image(context), machine)

    async def _end_generalising(self, context: StepContext) -> None:
        await self._generaliser.clean(str(context.input["image"]))

    async def _made(self, context: StepContext, failure: Failure | None) -> None:
        """What failed leaves its row, which tells so until it is removed."""
        async with self._database.tx() as tx:
            image = await images.lock(tx, str(context.input["image"]))
            if image is None:
                return
            if failure is None:
                await images.set_state(tx, image.id, "ready")
                await tell(tx, "image.ready", image, operation_id=context.operation_id)
                return
            await images.set_state(tx, image.id, "failed")
            await tell(tx, "image.failed", image, reason=failure.message, operation_id=context.operation_id)
        await self._volumes.collect()

    async def _remove_volume(self, context: StepContext) -> None:
        image = await images.find(self._database, str(context.input["image"]))
        if image is not None:
            await self._volumes.remove(image.pool, image.volumeName)

    async def _remove_records(self, context: StepContext) -> None:
        async with self._database.tx() as tx:
            image = await images.lock(tx, str(context.input["image"]))
            if image is not None and await images.delete(tx, image.id):
                await tell(tx, "image.removed", image, operation_id=context.operation_id)

    async def _image(self, context: StepContext) -> rows.Image:
        image = await images.find(self._database, str(context.input["image"]))
        if image is None:
            raise NotFound("Image not found")
        return image

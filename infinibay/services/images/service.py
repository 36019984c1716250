"""Images as administrators use them; who may, the edges ask before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from infinibay.core import naming, sizing
from infinibay.core.access import Principal
from infinibay.core.identifiers import canonical
from infinibay.core.images import SUFFIXES, is_image_file
from infinibay.db import images, installations, machines, operations, rows
from infinibay.db.client import Database
from infinibay.errors import (
    BadUserInput,
    Conflict,
    FieldProblem,
    NotFound,
    UniqueViolation,
    UnusableMedium,
)
from infinibay.operations.api import NewOperation
from infinibay.operations.engine import OperationEngine
from infinibay.services import idempotency
from infinibay.services.image_volumes import tell
from infinibay.services.images.making import ADD, CREATE, REMOVE
from infinibay.services.machines.visible import visible_machine
from infinibay.unattended.media import disk_image


@dataclass(frozen=True)
class Addition:
    """A file of the ISO directory that becomes an image, and the name of the system in it."""

    filename: str
    name: str
    os: str


class ImageService:
    """Each change writes an event `image.created|ready|failed|removed` {imageId, name, os}."""

    def __init__(
        self, database: Database, engine: OperationEngine, *, iso_dir: Path, pool_name: str, host_id: str
    ) -> None:
        self._database = database
        self._engine = engine
        self._iso_dir = iso_dir
        self._pool_name = pool_name
        self._host_id = host_id

    async def all(self) -> Sequence[rows.Image]:
        """By name."""
        return await images.all_by_name(self._database)

    async def find(self, image_id: str) -> rows.Image | None:
        known_form = canonical(image_id)
        return await images.find(self._database, known_form) if known_form else None

    async def disks_of(self, machine_ids: Sequence[str]) -> dict[str, Sequence[rows.MachineDisk]]:
        """The disks of each machine with what they stand on, with one statement for all."""
        return {**await images.disks_of(self._database, machine_ids)}

    async def machines_of(self, image_ids: Sequence[str]) -> dict[str, Sequence[rows.Machine]]:
        """The machines that stand on each image."""
        return {**await images.machines_of(self._database, image_ids)}

    async def add(self, principal: Principal, wanted: Addition) -> rows.Image:
        """Takes a disk image that lies in the ISO directory; it is copied, and stays where it is. Raises BadUserInput
        that names what is wrong with it."""
        problems = await self._name_problems(wanted.name)
        found: disk_image.DiskImage | None = None
        if not is_image_file(wanted.filename):
            text = f"It must be the name of a file in the ISO directory, with {', '.join(SUFFIXES)}"
            problems.append(FieldProblem("filename", text))
        else:
            try:
                found = await disk_image.look(self._iso_dir / wanted.filename)
            except UnusableMedium as error:
                problems.append(FieldProblem("filename", error.message))
        if problems or found is None:
            raise BadUserInput(*problems)
        new = self._new(wanted.name, wanted.os, found.size_gb)
        operation = NewOperation(
            kind=ADD,
            host_id=self._host_id,
            requested_by_id=principal.user_id,
            input={"image": new.id, "filename": wanted.filename, "format": found.format, "stamp": found.stamp},
        )
        return await self._begin(principal, new, operation)

    async def create(self, principal: Principal, machine_id: str, name: str) -> rows.Image:
        """Makes an image of a machine that is installed and stopped, and stays as it is. Raises NotFound, BadUserInput
        or Conflict."""
        machine = await visible_machine(self._database, principal, machine_id)
        if machine is None:
            raise NotFound("Machine not found")
        if problems := await self._name_problems(name):
            raise BadUserInput(*problems)
        await require_stopped(self._database, machine)
        new = self._new(name, machine.os, machine.diskSizeGB, machine.id)
        operation = NewOperation(
            kind=CREATE,
            host_id=machine.hostId,
            machine_id=machine.id,
            requested_by_id=principal.user_id,
            input={"image": new.id},
        )
        return await self._begin(principal, new, operation)

    async def remove(self, principal: Principal, image_id: str) -> None:
        """Removes an image that no machine stands on, and returns when it is gone. Raises NotFound, Conflict, or
        OperationFailed when the volume stays, Unavailable while it takes too long."""
        async with self._database.tx() as tx:
            image = await images.lock(tx, image_id)
            if image is None:
                raise NotFound("Image not found")
            if image.state == "making":
                raise Conflict(f"The image {image.name} is being made", remedy="Cancel its operation")
            if users := await images.machines_on(tx, image.id):
                named = ", ".join(f'"{name}"' for name in users[:3]) + (" …" if len(users) > 3 else "")
                raise Conflict(f"The image {image.name} is in use by {named}")
            await images.set_state(tx, image.id, "removing")
            operation = await self._engine.submit(
                tx,
                NewOperation(
                    kind=REMOVE,
                    host_id=self._host_id,
                    requested_by_id=principal.user_id,
                    input={"image": image.id},
                ),
            )
            await images.set_operation(tx, image.id, operation.id)
            await idempotency.settle(tx, idempotency.awaited(operation.id, {"value": True}))
        await self._engine.enqueue(operation)
        await self._engine.succeeded(operation.id)

    def _new(self, name: str, system: str, size_gb: int, source_machine_id: str | None = None) -> images.NewImage:
        image_id = str(uuid4())
        return images.NewImage(
            id=image_id,
            name=name.strip(),
            name_key=naming.name_key(name),
            os=system,
            kind="image",
            pool=self._pool_name,
            volume_name=naming.image_volume(image_id),
            size_gb=size_gb,
            source_machine_id=source_machine_id,
        )

    async def _begin(self, principal: Principal, new: images.NewImage, wanted: NewOperation) -> rows.Image:
        try:
            async with self._database.tx() as tx:
                # Before the first event, as every event waits for the one before to be committed.
                await operations.lock_queue(tx, wanted.machine_id or wanted.host_id)
                image = await images.create(tx, new)
                await tell(tx, "image.created", image, actor_id=principal.user_id)
                await idempotency.settle(tx, {"image": image.id})
                operation = await self._engine.submit(tx, wanted)
                await images.set_operation(tx, image.id, operation.id)
        except UniqueViolation as error:
            raise BadUserInput(_taken(new.name)) from error
        self._engine.hand_over(operation)
        return image.model_copy(update={"operationId": operation.id})

    async def _name_problems(self, name: str) -> list[FieldProblem]:
        problems = sizing.name_problems("name", name)
        if not problems and await images.find_by_name_key(self._database, naming.name_key(name)) is not None:
            problems.append(_taken(name.strip()))
        return problems


async def require_stopped(db: Database, machine: rows.Machine) -> None:
    """Raises Conflict where a machine's disk can't be copied: it runs, or is not installed yet."""
    if machine.status != rows.MachineStatus.stopped:
        raise Conflict(f"The machine is {machine.status}", remedy="Power it off first")
    installation = await installations.find(db, machine.id)
    if installation is not None and installation.state != rows.InstallationState.installed:
        raise Conflict(f"The machine's system is {installation.state}, not installed")
    disks = await machines.find_with_disks(db, machine.id)
    if disks is None or not disks.disks:
        raise NotFound("The machine has no disk")


def _taken(name: str) -> FieldProblem:
    return FieldProblem("name", f'Image name "{name}" is already taken', "CONFLICT")

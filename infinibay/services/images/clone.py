"""cloneMachine: a new machine that begins with the disk of a stopped one as it is.

The disk is copied once into an image of its own, on which any number of linked clones stand until the source has run
again; a whole clone is a copy of that. The source is only read.
"""

from __future__ import annotations

from collections.abc import Collection

from infinibay.core import naming, sizing
from infinibay.core.access import Principal
from infinibay.db import events, images, machines, operations, rows
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, FieldProblem, NotFound, UniqueViolation
from infinibay.operations.api import NewOperation
from infinibay.operations.engine import OperationEngine
from infinibay.secrets import graphics_password
from infinibay.services import idempotency
from infinibay.services.image_volumes import tell
from infinibay.services.images import copies
from infinibay.services.images.making import COPY
from infinibay.services.images.service import require_stopped
from infinibay.services.machines.create import Begun
from infinibay.services.machines.creation_steps import CREATE
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.services.machines.requests import Relation
from infinibay.services.machines.visible import visible_machine
from infinibay.virt.api import Hypervisor


class Cloner:
    """Clones machines. The new one has sizes, system, department and firmware of its source, and an identity and a
    network address of its own; within its system it is the same."""

    def __init__(
        self, database: Database, engine: OperationEngine, hypervisor: Hypervisor, secrets: MachineSecrets
    ) -> None:
        self._database = database
        self._engine = engine
        self._hypervisor = hypervisor
        self._secrets = secrets

    async def clone(
        self, principal: Principal, machine_id: str, name: str, *, linked: bool, relations: Collection[Relation]
    ) -> Begun:
        """Writes the machine and its operations, and returns it as `building`. Raises NotFound, BadUserInput, or
        Conflict for a source that is not stopped."""
        if await visible_machine(self._database, principal, machine_id) is None:
            raise NotFound("Machine not found")
        await self._check_name(name)
        source = await machines.find_with_disks(self._database, machine_id)
        if source is None:
            raise NotFound("Machine not found")
        await require_stopped(self._database, source)
        stamp = await copies.stamp_of(self._hypervisor, source)
        try:
            begun, copying = await self._write(principal, source, name.strip(), stamp, linked=linked)
        except UniqueViolation as error:
            raise _taken(name) from error
        for operation in (copying, begun.operation):
            if operation is not None:
                self._engine.hand_over(operation)
        return Begun(await machines.with_relations(self._database, begun.machine, relations), begun.operation)

    async def _write(
        self, principal: Principal, source: rows.Machine, name: str, stamp: str | None, *, linked: bool
    ) -> tuple[Begun, rows.Operation | None]:
        """The new machine with its operation, and the one that copies the disk, unless a copy is there."""
        async with self._database.tx() as tx:
            locked = await machines.lock(tx, source.id)
            if locked is None or locked.status != rows.MachineStatus.stopped:
                raise Conflict("The machine was started at the same moment")
            # Before the first event, as every event waits for the one before to be committed.
            await operations.lock_queue(tx, source.id)
            base = await images.hold_copy(tx, source.id, stamp) if stamp is not None else None
            is_new = base is None
            if base is None:
                base = await images.create(tx, copies.disk_of(source, stamp))
            row = await self._create(tx, principal, source, name, base)
            if is_new:
                await tell(tx, "image.created", base, actor_id=principal.user_id)
            await events.append(
                tx,
                kind="machine.created",
                data={"name": name, "status": str(row.status)},
                machine_id=row.id,
                owner_id=row.userId,
                actor_id=principal.user_id,
            )
            await idempotency.settle(tx, {"machine": row.id})
            copying = await self._submit_copy(tx, principal, source, base) if is_new else None
            new = NewOperation(
                kind=CREATE,
                host_id=source.hostId,
                machine_id=row.id,
                requested_by_id=principal.user_id,
                input={"whole": not linked},
                newborn=True,
            )
            return Begun(row, await self._engine.submit(tx, new)), copying

    async def _create(
        self, tx: Database, principal: Principal, source: rows.Machine, name: str, base: rows.Image
    ) -> rows.Machine:
        new = copies.machine_of(source, name, principal.user_id)
        row = await machines.create(
            tx,
            new,
            copies.configuration_of(source, new.id),
            None,
            pool=base.pool,
            volume_name=naming.main_volume(new.internal_name),
            base_image_id=base.id,
            applications=(),
            scripts=(),
        )
        await self._secrets.keep_first(tx, new.id, None, graphics_password())
        return row

    async def _submit_copy(
        self, tx: Database, principal: Principal, source: rows.Machine, base: rows.Image
    ) -> rows.Operation:
        new = NewOperation(
            kind=COPY,
            host_id=source.hostId,
            machine_id=source.id,
            requested_by_id=principal.user_id,
            input={"image": base.id},
        )
        operation = await self._engine.submit(tx, new)
        await images.set_operation(tx, base.id, operation.id)
        return operation

    async def _check_name(self, name: str) -> None:
        if problems := sizing.name_problems("name", name):
            raise BadUserInput(*problems)
        if await machines.is_name_taken(self._database, naming.name_key(name)):
            raise _taken(name)


def _taken(name: str) -> BadUserInput:
    return BadUserInput(FieldProblem("name", f'Machine name "{name.strip()}" is already taken', "CONFLICT"))

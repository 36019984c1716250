"""The steps of a creation and of a removal: media → volume → filters → define → start, and their way back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from infinibay.core.installing import Phase
from infinibay.core.machine_status import MachineStatus
from infinibay.db import installations, machines
from infinibay.db.client import Database
from infinibay.errors import NotFound
from infinibay.operations.api import Failure, OperationKind, Step, StepContext
from infinibay.operations.failures import failure_from
from infinibay.services.machines.cleanup import Cleanup
from infinibay.services.machines.definition import Definition
from infinibay.services.machines.disks import Disks
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.services.machines.media import InstallationMedia
from infinibay.services.machines.records import HALF_DESTROYED, change_status
from infinibay.services.machines.starting import bring_up
from infinibay.services.machines.status import StatusKeeper
from infinibay.virt.api import Hypervisor

CREATE = "create"
DESTROY = "destroy"
CREATE_STEPS = ("media", "volume", "filters", "define", "start")

Result = Mapping[str, Any]


class CreationSteps:
    """Builds the kinds `create` and `destroy`. Every effect derives from the machine's id and is adopted if it is
    already there."""

    def __init__(
        self,
        database: Database,
        hypervisor: Hypervisor,
        definition: Definition,
        cleanup: Cleanup,
        keeper: StatusKeeper,
        secrets: MachineSecrets,
        media: InstallationMedia,
        disks: Disks,
        *,
        keep_failed: bool,
    ) -> None:
        self._database = database
        self._hypervisor = hypervisor
        self._definition = definition
        self._cleanup = cleanup
        self._keeper = keeper
        self._secrets = secrets
        self._installation_media = media
        self._disks = disks
        self._keep_failed = keep_failed

    def kinds(self) -> tuple[OperationKind, ...]:
        """The table of this module's kinds."""
        create = (
            Step("media", self._media, undo=self._remove_directory, budget="media"),
            Step("volume", self._volume, undo=self._remove_volumes),
            Step("filters", self._filters, undo=self._remove_filters),
            Step("define", self._define, undo=self._remove_domain),
            Step("start", self._start, budget="start"),
        )
        destroy = (
            Step("domain", self._remove_domain),
            Step("volume", self._remove_volumes),
            Step("medium", self._remove_directory),
            Step("filters", self._remove_filters),
            Step("records", self._remove_records),
        )
        return (
            OperationKind(CREATE, create, ended=self._created, exclusive=True),
            OperationKind(DESTROY, destroy, ended=self._destroyed, exclusive=True, preempts=True),
        )

    async def _media(self, context: StepContext) -> None:
        """The machine's directory, and in it what the installer needs beside the ISO, which stays as it is."""
        await self._definition.make_directory(_id(context))
        await self._installation_media.make(_id(context))

    async def _volume(self, context: StepContext) -> None:
        disks = await machines.disks(self._database, _id(context))
        if not disks:
            raise NotFound("Machine not found")
        for disk in disks:
            await self._definition.ensure_pool(disk.pool)
            await self._disks.make(context, disk)

    async def _filters(self, context: StepContext) -> None:
        await self._definition.ensure_filters(_id(context))

    async def _define(self, context: StepContext) -> None:
        await self._definition.ensure_defined(_id(context))

    async def _start(self, context: StepContext) -> Result:
        machine_id = _id(context)
        await asyncio.gather(self._installation_media.check_same(machine_id), self._definition.ensure_network())
        await bring_up(self._hypervisor.domains, machine_id)
        # Nothing can fail any more but the notes about it, so who waits need not wait for these.
        await self._keeper.settle(machine_id, context.operation_id)
        return {"message": "Machine running"}

    async def _created(self, context: StepContext, failure: Failure | None) -> None:
        machine_id = _id(context)
        if failure is None:
            await self._installation_begins(machine_id, context.operation_id)
            await self._disks.stand_alone(context, machine_id)
        elif self._keep_failed:
            await self._keep(machine_id, failure.message, context.operation_id)
        elif (obstacle := await self._rest_removed(context)) is not None:
            await self._keep(machine_id, f"{HALF_DESTROYED}: {obstacle}", context.operation_id)
        else:
            await self._cleanup.remove_records(machine_id, context.operation_id)

    async def _keep(self, machine_id: str, reason: str, operation_id: str) -> None:
        async with self._database.tx() as tx:
            await self._secrets.creation_failed(tx, machine_id)
            await installations.enter(tx, machine_id, "failed", phase=None, reason=reason)
            await change_status(
                tx, machine_id, MachineStatus.FAILED, reason=reason, settle=True, operation_id=operation_id
            )

    async def _rest_removed(self, context: StepContext) -> str | None:
        """Removes what the rollback could not; says what is in the way where that fails again."""
        try:
            await self._remove_domain(context)
            await self._remove_volumes(context)
            await self._remove_directory(context)
            await self._remove_filters(context)
        except Exception as error:  # noqa: BLE001 - whatever it is, the row must stay so that destroyMachine can go on
            return failure_from(error, None).message
        return None

    async def _installation_begins(self, machine_id: str, operation_id: str) -> None:
        """From here on the keeper of installations waits for the installer; by hand nobody needs the secrets."""
        row = await installations.find(self._database, machine_id)
        async with self._database.tx() as tx:
            if row is not None and row.mode == "manual":
                await self._secrets.installation_ended(tx, machine_id)
            await installations.enter(tx, machine_id, "installing", phase=Phase.BOOTING, operation_id=operation_id)

    async def _destroyed(self, context: StepContext, failure: Failure | None) -> None:
        """A removal that stopped half-way leaves a failed machine that says what is left; it can be destroyed again.
        One that took nothing but the domain leaves a machine that goes on, or that powerOn defines again."""
        if failure is None:
            return
        if failure.step in (None, "domain"):
            await self._keeper.observe(_id(context), context.operation_id)
            return
        async with self._database.tx() as tx:
            await change_status(
                tx,
                _id(context),
                MachineStatus.FAILED,
                reason=f"{HALF_DESTROYED}: {failure.message}",
                settle=True,
                operation_id=context.operation_id,
            )

    async def _remove_domain(self, context: StepContext) -> None:
        await self._cleanup.remove_domain(_id(context))

    async def _remove_volumes(self, context: StepContext) -> None:
        await self._cleanup.remove_volumes(_id(context))

    async def _remove_directory(self, context: StepContext) -> None:
        await self._installation_media.remove(_id(context))
        await self._cleanup.remove_directory(_id(context))

    async def _remove_filters(self, context: StepContext) -> None:
        await self._cleanup.remove_filters(_id(context))

    async def _remove_records(self, context: StepContext) -> Result:
        await self._cleanup.remove_records(_id(context), context.operation_id)
        return {"message": "Machine destroyed"}


def _id(context: StepContext) -> str:
    if context.machine_id is None:
        raise ValueError("this operation concerns a machine")
    return context.machine_id

"""The end of an installer: its media go, and the machine runs from its disk, unless it was asked to be off."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from infinibay.core.installing import Phase
from infinibay.db import installations, machines, rows
from infinibay.db.client import Database
from infinibay.errors import HypervisorError, NotFound, Unavailable, WrongState
from infinibay.libvirtxml import reader
from infinibay.libvirtxml.installed import without_media
from infinibay.operations.api import Failure, NewOperation, OperationKind, Step, StepContext
from infinibay.services.installations.asked import last_asked
from infinibay.services.machines.definition import Definition
from infinibay.services.machines.design import DRIVERS_DRIVE, MEDIUM_DRIVE, SEED_DRIVE
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.services.machines.media import InstallationMedia
from infinibay.services.machines.starting import bring_up
from infinibay.services.machines.status import StatusKeeper
from infinibay.virt.api import Domains, DomainState, Hypervisor

FINISH = "finish_installation"
_AGAIN_SECONDS = 0.5

# The installer has ended, or was never heard of and has powered off.
_BEFORE_DISK = (Phase.BOOTING, Phase.ENDING)

Result = Mapping[str, Any]


def finish_of(machine: rows.Machine) -> NewOperation:
    """The operation that ends this machine's installer."""
    return NewOperation(kind=FINISH, host_id=machine.hostId, machine_id=machine.id)


class FinishSteps:
    """Builds the kind `finish_installation`, for an installation that goes on and for one that has failed."""

    def __init__(
        self,
        database: Database,
        hypervisor: Hypervisor,
        definition: Definition,
        media: InstallationMedia,
        secrets: MachineSecrets,
        keeper: StatusKeeper,
    ) -> None:
        self._database = database
        self._hypervisor = hypervisor
        self._definition = definition
        self._media = media
        self._secrets = secrets
        self._keeper = keeper

    def kinds(self) -> tuple[OperationKind, ...]:
        """The table of this module's kinds."""
        steps = (
            Step("eject", self._eject),
            Step("media", self._remove_media),
            Step("start", self._start, budget="start"),
        )
        return (OperationKind(FINISH, steps, ended=self._ended),)

    async def _eject(self, context: StepContext) -> None:
        machine_id, domains = _id(context), self._hypervisor.domains
        domain = await domains.find(machine_id)
        if domain is None:
            return
        if _boots_disk(await self._row(context)) and domain.state is not DomainState.SHUTOFF:
            # It has left its installer, and would only begin it again.
            with suppress(WrongState):
                await domains.destroy(machine_id)
        definition = await domains.xml(machine_id, inactive=True, secure=True)
        await domains.define(without_media(definition, drive=MEDIUM_DRIVE, extra=(SEED_DRIVE, DRIVERS_DRIVE)))
        await empty_drives(domains, machine_id)

    async def _remove_media(self, context: StepContext) -> None:
        await self._media.remove(_id(context))
        await machines.clear_medium(self._database, _id(context))

    async def _start(self, context: StepContext) -> Result:
        if not _boots_disk(await self._row(context)):
            return {"message": "Installation media removed"}
        if (await last_asked(self._database, _id(context))).stopped:
            return {"message": "Installation media removed; the machine stays off, as was asked"}
        await self._definition.prepare_start(_id(context))
        await bring_up(self._hypervisor.domains, _id(context))
        return {"message": "Machine runs from its disk"}

    async def _ended(self, context: StepContext, failure: Failure | None) -> None:
        machine_id = _id(context)
        was_cut_off = failure is not None and (failure.code == Unavailable.code or await context.cancelled())
        async with self._database.tx() as tx:
            await machines.lock(tx, machine_id)
            row = await installations.find(tx, machine_id)
            if row is None:
                return
            # Neither says anything of the installation, whose watcher asks for its end again.
            if failure is None or not (was_cut_off or row.phase == Phase.FINISHED):
                await self._secrets.installation_ended(tx, machine_id)
                await self._enter_next(tx, row, failure, context.operation_id)
        await self._keeper.observe(machine_id, context.operation_id)

    @staticmethod
    async def _enter_next(tx: Database, row: rows.Installation, failure: Failure | None, operation_id: str) -> None:
        state, reason = "installing", None
        phase: Phase | None = Phase.FIRST_BOOT
        if failure is not None:
            state, phase, reason = "failed", None, failure.message
        elif row.phase == Phase.FINISHED:
            state, phase = "installed", None
        elif not _boots_disk(row):
            return
        await installations.enter(tx, row.machineId, state, phase=phase, reason=reason, operation_id=operation_id)

    async def _row(self, context: StepContext) -> rows.Installation:
        row = await installations.find(self._database, _id(context))
        if row is None:
            raise NotFound("The machine has no installation")
        return row


async def empty_drives(domains: Domains, machine_id: str) -> None:
    """Takes the media out of a guest's drives as long as its QEMU runs, as that of a crashed guest does.

    One that powers itself off at this moment breaks off the call; libvirt may only know of its end a little later.
    """
    for more in (True, True, False):
        domain = await domains.find(machine_id)
        if domain is None or domain.is_off:
            return
        try:
            for drive in reader.cdroms(await domains.xml(machine_id)):
                if drive.source is not None:
                    await domains.eject(machine_id, drive.target)
        except HypervisorError:
            if not more:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return


def _boots_disk(row: rows.Installation) -> bool:
    """Whether the disk is to be booted for the first time; an image was from the start."""
    is_before = row.phase in _BEFORE_DISK and row.mode != "image"
    return row.state == rows.InstallationState.installing and is_before


def _id(context: StepContext) -> str:
    if context.machine_id is None:
        raise ValueError("this operation concerns a machine")
    return context.machine_id

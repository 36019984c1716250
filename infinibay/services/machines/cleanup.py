"""Removes a machine: the one cleanup behind destroyMachine and behind a creation's rollback.

Each part looks first and can run again; all of them know the machine by its id alone.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from infinibay.db import events, machines
from infinibay.db.client import Database
from infinibay.errors import ObjectMissing, WrongState
from infinibay.services.image_volumes import ImageVolumes
from infinibay.services.machines.firewall import MachineFilters
from infinibay.virt.api import DomainState, Hypervisor


class Cleanup:
    """The parts of a machine's removal, in the order domain, volume, medium, filters, records."""

    def __init__(
        self,
        database: Database,
        hypervisor: Hypervisor,
        filters: MachineFilters,
        volumes: ImageVolumes,
        machines_dir: Path,
    ) -> None:
        self._database = database
        self._hypervisor = hypervisor
        self._filters = filters
        self._volumes = volumes
        self._machines_dir = machines_dir

    async def remove_domain(self, machine_id: str) -> None:
        """The domain with all that libvirt keeps for it: managed save, snapshots, NVRAM, TPM state."""
        domain = await self._hypervisor.domains.find(machine_id)
        if domain is None:
            return
        if domain.state is not DomainState.SHUTOFF:
            with suppress(WrongState):  # It may stop by itself in between.
                await self._hypervisor.domains.destroy(machine_id)
        try:
            await self._hypervisor.domains.undefine(machine_id)
        except ObjectMissing:
            return

    async def remove_volumes(self, machine_id: str) -> None:
        """Every disk of the machine."""
        machine = await machines.find_with_disks(self._database, machine_id)
        for disk in (machine.disks if machine else None) or []:
            await self._volumes.remove(disk.pool, disk.volumeName)

    async def remove_directory(self, machine_id: str) -> None:
        """The machine's own directory: serial log, and later its seed medium."""
        await asyncio.to_thread(_remove_tree, self._machines_dir / machine_id)

    async def remove_filters(self, machine_id: str) -> None:
        """The machine's filter; its department's stays."""
        await self._filters.remove_machine(machine_id)

    async def remove_records(self, machine_id: str, operation_id: str | None) -> None:
        """The rows, with the event `machine.destroyed` {name}, and the copy that only this clone stood on."""
        await self._delete(machine_id, operation_id)
        await self._volumes.collect()

    async def _delete(self, machine_id: str, operation_id: str | None) -> None:
        async with self._database.tx() as tx:
            machine = await machines.lock(tx, machine_id)
            if machine is None or not await machines.delete(tx, machine_id):
                return
            await events.append(
                tx,
                kind=events.MACHINE_DESTROYED,
                data={"name": machine.name},
                machine_id=machine_id,
                operation_id=operation_id,
                owner_id=machine.userId,
            )


def _remove_tree(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)

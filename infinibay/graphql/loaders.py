"""Batches of nested fields: one statement for a whole list of machines."""

from __future__ import annotations

from collections.abc import Sequence

from strawberry.dataloader import DataLoader

from infinibay.db import rows
from infinibay.operations.api import Failure
from infinibay.services.images.service import ImageService
from infinibay.services.installations.service import InstallationService
from infinibay.services.operations import OperationsService


class Loaders:
    """The batches of one request; they keep what they loaded, so they must not outlive it."""

    def __init__(self, operations: OperationsService, installations: InstallationService, images: ImageService) -> None:
        async def latest(machine_ids: list[str]) -> list[rows.Operation | None]:
            found = await operations.latest(machine_ids)
            return [found.get(machine_id) for machine_id in machine_ids]

        async def failures(machines: list[rows.Machine]) -> list[Failure | None]:
            found = await operations.failures(machines)
            return [found.get(machine.id) for machine in machines]

        async def installed(machine_ids: list[str]) -> list[rows.Installation | None]:
            found = await installations.of_machines(machine_ids)
            return [found.get(machine_id) for machine_id in machine_ids]

        async def disks(machine_ids: list[str]) -> list[Sequence[rows.MachineDisk]]:
            found = await images.disks_of(machine_ids)
            return [found.get(machine_id, ()) for machine_id in machine_ids]

        async def machines(image_ids: list[str]) -> list[Sequence[rows.Machine]]:
            found = await images.machines_of(image_ids)
            return [found.get(image_id, ()) for image_id in image_ids]

        self.disks: DataLoader[str, Sequence[rows.MachineDisk]] = DataLoader(load_fn=disks)
        self.image_machines: DataLoader[str, Sequence[rows.Machine]] = DataLoader(load_fn=machines)
        self.installation: DataLoader[str, rows.Installation | None] = DataLoader(load_fn=installed)
        self.latest_operation: DataLoader[str, rows.Operation | None] = DataLoader(load_fn=latest)
        self.failure: DataLoader[rows.Machine, Failure | None] = DataLoader(
            load_fn=failures, cache_key_fn=lambda machine: machine.id
        )

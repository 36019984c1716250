"""Batches of nested fields: one statement for a whole list of machines."""

from __future__ import annotations

from strawberry.dataloader import DataLoader

from infinibay.db import rows
from infinibay.operations.api import Failure
from infinibay.services.installations.service import InstallationService
from infinibay.services.operations import OperationsService


class Loaders:
    """The batches of one request; they keep what they loaded, so they must not outlive it."""

    def __init__(self, operations: OperationsService, installations: InstallationService) -> None:
        async def latest(machine_ids: list[str]) -> list[rows.Operation | None]:
            found = await operations.latest(machine_ids)
            return [found.get(machine_id) for machine_id in machine_ids]

        async def failures(machines: list[rows.Machine]) -> list[Failure | None]:
            found = await operations.failures(machines)
            return [found.get(machine.id) for machine in machines]

        async def installed(machine_ids: list[str]) -> list[rows.Installation | None]:
            found = await installations.of_machines(machine_ids)
            return [found.get(machine_id) for machine_id in machine_ids]

        self.installation: DataLoader[str, rows.Installation | None] = DataLoader(load_fn=installed)
        self.latest_operation: DataLoader[str, rows.Operation | None] = DataLoader(load_fn=latest)
        self.failure: DataLoader[rows.Machine, Failure | None] = DataLoader(
            load_fn=failures, cache_key_fn=lambda machine: machine.id
        )

"""What a principal may know of installations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infinibay.core.access import Principal
from infinibay.db import installations, rows
from infinibay.db.client import Database
from infinibay.services.installations.recorder import FlightRecorder, Recording
from infinibay.services.installations.reports import Reports
from infinibay.services.machines.visible import visible_machine


@dataclass(frozen=True)
class InstallationReport:
    """How far an installation came, and what the flight recorder kept of it."""

    row: rows.Installation
    recording: Recording


class InstallationService:
    """A machine's owner and administrators see its installation."""

    def __init__(self, database: Database, recorder: FlightRecorder, reports: Reports) -> None:
        self._database = database
        self._recorder = recorder
        self._reports = reports

    async def hear(self, token: str | None, body: bytes) -> None:
        """What a guest sends of its own installation. Raises Unauthenticated."""
        await self._reports.take_sent(token, body)

    async def of_machines(self, machine_ids: Sequence[str]) -> dict[str, rows.Installation]:
        """For machines that the caller may see."""
        return await installations.of_machines(self._database, machine_ids)

    async def report(self, principal: Principal, machine_id: str) -> InstallationReport | None:
        """None when the machine is absent, or not the principal's."""
        machine = await visible_machine(self._database, principal, machine_id)
        row = await installations.with_tasks(self._database, machine.id) if machine else None
        return InstallationReport(row, await self._recorder.read(row.machineId)) if row else None

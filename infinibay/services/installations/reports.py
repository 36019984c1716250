"""What guests say of their installations, written down: each report once, and none that a later phase contradicts."""

from __future__ import annotations

from infinibay.core.installing import Phase, following, may_fail
from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.db import installations, machines, rows
from infinibay.db.client import Database
from infinibay.errors import Unauthenticated
from infinibay.secrets import fingerprint
from infinibay.unattended.reports import Report, read_report

_SAID_SO = "The installer reported that it failed"
_MOST_TASKS = 500


class Reports:
    """Takes them from whatever way they came."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, machine_id: str, report: Report) -> None:
        """Writes what a report says."""
        async with self._database.tx() as tx:
            machine = await machines.lock(tx, machine_id)
            row = await installations.with_tasks(tx, machine_id)
            if machine is None or row is None or row.state != rows.InstallationState.installing:
                return
            if report.event == "task":
                if len(row.tasks or []) < _MOST_TASKS:
                    await installations.record_task(
                        tx, machine_id, report.kind or "", report.id or "", report.status or 0
                    )
                return
            phase, speaks_late = Phase(row.phase or Phase.BOOTING), OPERATING_SYSTEMS[machine.os].is_windows
            if report.event == "failed" and may_fail(phase, speaks_late=speaks_late):
                await installations.enter(tx, machine_id, "failed", phase=None, reason=_SAID_SO)
                return
            from_image = row.mode == "image"
            entered = following(report.event, phase, speaks_late=speaks_late, from_image=from_image)
            if entered is not None:
                await installations.enter(tx, machine_id, "installing", phase=entered)

    async def take_sent(self, token: str | None, body: bytes) -> None:
        """Lines that came over the network with a machine's token, which holds as long as its installation goes on.
        Raises Unauthenticated for any other token."""
        machine_id = await installations.machine_of_token(self._database, fingerprint(token)) if token else None
        if machine_id is None:
            raise Unauthenticated
        for line in body.split(b"\n"):
            if (report := read_report(line)) is not None:
                await self.take(machine_id, report)

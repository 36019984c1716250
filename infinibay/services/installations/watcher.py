"""Waits for one installation: hears what the guest reports, looks at the domain, and keeps the time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from infinibay.core.installing import Limits, Phase, Signs, Step, Verdict, judge, judge_by_hand, seconds_left
from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.db import installations, machines, rows
from infinibay.db.client import Database
from infinibay.errors import HypervisorError, InfinibayError, MachineBusy, Unavailable
from infinibay.log import get_logger
from infinibay.operations.engine import OperationEngine
from infinibay.services.installations.asked import LastAsked, last_asked
from infinibay.services.installations.finish import finish_of
from infinibay.services.installations.recorder import FlightRecorder
from infinibay.services.installations.reports import Reports
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.unattended.installation import REPORT_PORT
from infinibay.unattended.reports import MOST_LINE_BYTES, Report, read_report
from infinibay.virt.api import DomainInfo, DomainState, Hypervisor

log = get_logger(__name__)

_AGAIN_SECONDS = 1.0
_PORT_AGAIN_SECONDS = 2.0
_PICTURE_SECONDS = 60.0
_AGENT_SECONDS = 30.0
_BY_HAND_SECONDS = 3600.0
_FINISH_SECONDS = 600.0
_FINISH_AGAIN_SECONDS = 60.0
# What a guest said last comes by another way than its power-off, which may be faster. The port's end tells that all of
# it is here; for a port that does not end, this long is waited.
_LAST_WORDS_SECONDS = 5.0
# No installer says anything so soon after its machine's start.
_SPEECHLESS_SECONDS = 10.0
_MOST_REPORTS = 1000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_PING = json.dumps({"execute": "guest-ping"})


class Watcher:
    """Ends when the installation does. Everything that it decides on is in the database or can be seen again, so it may
    begin anew at any time."""

    def __init__(
        self,
        machine_id: str,
        database: Database,
        hypervisor: Hypervisor,
        engine: OperationEngine,
        recorder: FlightRecorder,
        reports: Reports,
        secrets: MachineSecrets,
        limits: Limits,
    ) -> None:
        self._machine_id = machine_id
        self._database = database
        self._hypervisor = hypervisor
        self._engine = engine
        self._recorder = recorder
        self._reports = reports
        self._secrets = secrets
        self._limits = limits
        self._changed = asyncio.Event()
        self._rebooted = False
        self._agent_opened = True
        self._listened = False
        self._listening = False
        self._listening_since: datetime | None = None
        self._attentive_since = time.monotonic()
        self._off_since: float | None = None
        # As far as is known; None while it stands still.
        self._ran_since: datetime | None = _LONG_AGO
        self._finish_again = -float("inf")
        self._heard: set[Report] = set()
        self._pictured = self._asked_agent = -float("inf")

    def noticed(self, detail: str) -> None:
        """Something happened to the domain, in libvirt's word."""
        self._rebooted = self._rebooted or detail == "rebooted"
        self._agent_opened = self._agent_opened or detail == "agent"
        if detail == "connection":
            # While the hypervisor was away, a guest spoke to nobody.
            self._listened = self._listening
            self._attentive_since = time.monotonic()
        self._changed.set()

    async def run(self) -> None:
        """Follows the installation to its end."""
        port: asyncio.Task[None] | None = None
        try:
            while True:
                # Before the look, so that what happens during it leads to another one.
                self._changed.clear()
                # Whatever was said before the port's end is in the row then.
                was_listening = self._listening
                row = await self._row()
                if row is None:
                    return
                try:
                    machine = await machines.find_with_configuration(self._database, self._machine_id)
                    if machine is None or not _is_under_way(row, machine):
                        return
                    if port is None and row.mode != "manual":
                        port = asyncio.create_task(self._listen(), name="report port")
                    pause = await self._look(row, machine, was_listening=was_listening)
                except Unavailable as error:
                    log.warning("installation.waits", machine_id=self._machine_id, reason=error.message)
                    pause = _AGAIN_SECONDS
                await self._pause(pause)
        finally:
            if port is not None:
                port.cancel()
                await asyncio.gather(port, return_exceptions=True)

    async def _row(self) -> rows.Installation | None:
        while True:
            try:
                return await installations.with_tasks(self._database, self._machine_id)
            except Unavailable:
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _look(self, row: rows.Installation, machine: rows.Machine, *, was_listening: bool) -> float:
        """Judges the installation and does what follows; the seconds until it has to be looked at again."""
        if row.state == rows.InstallationState.failed:
            await self._recorder.picture(self._machine_id)
            return await self._finish(machine)
        if row.mode == "manual":
            # Nobody records what a person does; the agent's beginning wakes us.
            verdict, pause = judge_by_hand(agent=await self._agent(row)), _BY_HAND_SECONDS
        else:
            signs = await self._signs(row, machine)
            verdict, left = judge(signs, self._limits), seconds_left(signs, self._limits)
            if (more := self._may_still_be_heard(signs, verdict, was_listening=was_listening)) is not None:
                return more
            pause = min(left + 0.1, _AGENT_SECONDS if _awaits_agent(row) else _PICTURE_SECONDS)
            await self._picture_now_and_then()
        match verdict.step:
            case Step.WAIT:
                return pause
            case Step.FINISH:
                return await self._finish(machine)
            case Step.ENDED:
                log.info("installation.end_unheard", machine_id=machine.id)
                await self._reports.take(machine.id, Report("installed"))
                return 0.0
            case _:
                await self._end(machine, row, verdict)
                return 0.0

    async def _signs(self, row: rows.Installation, machine: rows.Machine) -> Signs:
        domain = await self._hypervisor.domains.find(self._machine_id)
        up = domain is not None and domain.state in (DomainState.RUNNING, DomainState.PAUSED)
        asked = await last_asked(self._database, self._machine_id)
        since = self._runs_since(row, domain, asked)
        seconds = (datetime.now(UTC) - since).total_seconds()
        speaks_late = OPERATING_SYSTEMS[machine.os].is_windows
        # Windows has its agent from its first logon on.
        asks_agent = _awaits_agent(row) or (speaks_late and seconds > self._limits.install)
        return Signs(
            phase=Phase(row.phase or Phase.BOOTING),
            seconds=seconds,
            speaks_late=speaks_late,
            has_media=_has_media(machine),
            up=up,
            crashed=domain is not None and (domain.state is DomainState.CRASHED or domain.broken),
            rebooted=self._rebooted,
            # A domain that was taken away from outside says nothing of its guest either.
            stopped_by_request=not up and (domain is None or asked.stopped or asked.starting),
            agent=asks_agent and await self._agent(row),
            silent=not row.tasks and not self._heard,
            unheard=not self._listened,
            missed=self._has_missed_since(since),
            from_image=row.mode == "image",
        )

    def _runs_since(self, row: rows.Installation, domain: DomainInfo | None, asked: LastAsked) -> datetime:
        """From when on the guest has had time for its phase; now, while it has none."""
        now = datetime.now(UTC)
        if domain is None or domain.state is not DomainState.RUNNING:
            self._ran_since = None
            return now
        self._ran_since = max(self._ran_since or now, asked.started_at or _LONG_AGO)
        return max(self._ran_since, row.phaseAt or now)

    def _has_missed_since(self, moment: datetime) -> bool:
        """Whether the guest may have said something since then while nobody listened."""
        since = self._listening_since
        return since is None or (since - moment).total_seconds() > _SPEECHLESS_SECONDS

    def _may_still_be_heard(self, signs: Signs, verdict: Verdict, *, was_listening: bool) -> float | None:
        """For how many seconds the last words of a guest that has just powered itself off are waited for, or those of
        one that waited for somebody to listen; 0 to look once more at what was written meanwhile; None when there are
        no more."""
        now = time.monotonic()
        is_installer = signs.phase in (Phase.BOOTING, Phase.INSTALLING)
        if signs.up or signs.crashed or signs.stopped_by_request or not is_installer:
            self._off_since = None
            left = self._attentive_since + _LAST_WORDS_SECONDS - now
            return left if verdict.step is Step.FAILED and left > 0 else None
        if self._off_since is None:
            self._off_since = now
            return _LAST_WORDS_SECONDS if self._listening else 0.0
        left = self._off_since + _LAST_WORDS_SECONDS - now
        return left if was_listening and left > 0 else None

    async def _agent(self, row: rows.Installation) -> bool:
        """Whether the agent answers; it is asked when it has opened its port, and now and then."""
        now = time.monotonic()
        if not self._agent_opened and now - self._asked_agent < _AGENT_SECONDS:
            return False
        self._agent_opened, self._asked_agent = False, now
        try:
            await self._hypervisor.guests.agent_command(row.machineId, _PING)
        except Unavailable:
            raise
        except HypervisorError:
            return False
        return True

    async def _picture_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._pictured >= _PICTURE_SECONDS:
            self._pictured = now
            await self._recorder.picture(self._machine_id)

    async def _finish(self, machine: rows.Machine) -> float:
        """Asks for the operation that removes the media and boots the disk, and waits for its end; the seconds until
        one that did not succeed is asked for again, whatever the domain does meanwhile."""
        if (left := self._finish_again - time.monotonic()) > 0:
            return left
        try:
            operation = await self._engine.request(finish_of(machine))
        except MachineBusy:
            return _AGAIN_SECONDS
        ended = await self._engine.wait(operation.id, _FINISH_SECONDS)
        if ended.state == rows.OperationState.SUCCEEDED:
            return 0.0
        # Until it comes, a powered-off machine would start its installer again.
        was_cancelled = ended.state == rows.OperationState.CANCELLED
        pause = _AGAIN_SECONDS if was_cancelled else _FINISH_AGAIN_SECONDS
        self._finish_again = time.monotonic() + pause
        return pause

    async def _end(self, machine: rows.Machine, judged: rows.Installation, verdict: Verdict) -> None:
        """Unless it has come further than what was judged."""
        has_failed = verdict.step is Step.FAILED
        async with self._database.tx() as tx:
            await machines.lock(tx, machine.id)
            row = await installations.find(tx, machine.id)
            if row is None or (row.state, row.phase) != (judged.state, judged.phase):
                return
            if not has_failed:
                await self._secrets.installation_ended(tx, machine.id)
            await installations.enter(
                tx, machine.id, "failed" if has_failed else "installed", phase=None, reason=verdict.reason
            )
        log.info("installation.ended", machine_id=machine.id, failed=has_failed, reason=verdict.reason)

    async def _listen(self) -> None:
        """Reads the report port as long as the installation goes on, whenever the domain runs."""
        while True:
            try:
                async with self._hypervisor.guests.listen(self._machine_id, REPORT_PORT) as pieces:
                    self._listened = self._listening = True
                    self._listening_since = datetime.now(UTC)
                    self._changed.set()
                    await self._hear(pieces)
            except InfinibayError as error:
                log.debug("installation.port_closed", machine_id=self._machine_id, reason=error.message)
            if self._listening:
                self._listening = False
                self._changed.set()
            await asyncio.sleep(_PORT_AGAIN_SECONDS)

    async def _hear(self, pieces: AsyncIterator[bytes]) -> None:
        rest = b""
        async for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                await self._until_written(line)
            # A line without an end is not kept for ever.
            rest = rest[: MOST_LINE_BYTES + 1]

    async def _until_written(self, line: bytes) -> None:
        report = read_report(line)
        if report is None or report in self._heard or len(self._heard) >= _MOST_REPORTS:
            return
        while True:
            try:
                await self._reports.take(self._machine_id, report)
            except Unavailable:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                self._heard.add(report)
                # What the domain did before does not concern a phase that begins.
                self._rebooted = self._rebooted and report.event == "task"
                self._pictured = -float("inf")
                self._changed.set()
                return


def _awaits_agent(row: rows.Installation) -> bool:
    """Whether the new system runs, as far as is known."""
    return row.phase == Phase.FIRST_BOOT or row.mode == "image"


def _is_under_way(row: rows.Installation, machine: rows.Machine) -> bool:
    """Whether there is something to wait for, or media that an installation that failed has to give up. Those of a
    failed creation serve its retry."""
    if row.state == rows.InstallationState.installing:
        return True
    given_up = row.state == rows.InstallationState.failed and row.mode != "manual" and _has_media(machine)
    return given_up and machine.status not in (rows.MachineStatus.building, rows.MachineStatus.failed)


def _has_media(machine: rows.Machine) -> bool:
    return machine.configuration is not None and machine.configuration.isoPath is not None

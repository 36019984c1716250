"""Installations as clients see them."""

from __future__ import annotations

import base64
from typing import TypeAlias

import strawberry

from infinibay.db import rows
from infinibay.graphql.scalars import DateTimeISO
from infinibay.services.installations.service import InstallationReport as Report

InstallationState: TypeAlias = rows.InstallationState
strawberry.enum(InstallationState)


@strawberry.type
class InstallationTask:
    """Something that the first boot did: `kind` is access, agent, packages, application or script, `id` that of the
    application or script; `status` is its exit status, -1 when it was cut off."""

    kind: str
    id: str
    status: int
    at: DateTimeISO

    @classmethod
    def from_row(cls, row: rows.InstallationTask) -> InstallationTask:
        return cls(kind=row.kind, id=row.taskId, status=row.status, at=DateTimeISO(row.at))


@strawberry.type
class Installation:
    """How a machine's system is installed. `mode` is seed, remaster, manual or image; `phase` is booting, installing,
    ending, first-boot or finished while it is installing."""

    state: InstallationState
    mode: str
    phase: str | None
    reason: str | None
    hostname: str
    locale: str
    keyboard: str
    timezone: str
    started_at: DateTimeISO | None
    ended_at: DateTimeISO | None
    tasks: list[InstallationTask]

    @classmethod
    def from_row(cls, row: rows.Installation) -> Installation:
        return cls(
            state=row.state,
            mode=row.mode,
            phase=row.phase,
            reason=row.reason,
            hostname=row.hostname,
            locale=row.locale,
            keyboard=row.keyboard,
            timezone=row.timezone,
            started_at=DateTimeISO(row.startedAt) if row.startedAt else None,
            ended_at=DateTimeISO(row.endedAt) if row.endedAt else None,
            tasks=[InstallationTask.from_row(task) for task in row.tasks or []],
        )


@strawberry.type
class Screen:
    """A picture of the machine's screen: PNG in base64."""

    at: DateTimeISO
    png: str


@strawberry.type
class InstallationReport:
    """What is known of an installation, and what was recorded meanwhile: the last screens, the oldest first, and the
    ends of what came from the serial port and of the installer's log."""

    installation: Installation
    screens: list[Screen]
    serial: str
    installer_log: str

    @classmethod
    def from_result(cls, report: Report) -> InstallationReport:
        recording = report.recording
        screens = [Screen(at=DateTimeISO(one.at), png=base64.b64encode(one.png).decode()) for one in recording.screens]
        return cls(
            installation=Installation.from_row(report.row),
            screens=screens,
            serial=recording.serial,
            installer_log=recording.installer_log,
        )

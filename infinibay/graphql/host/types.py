"""The host's report as clients see it."""

from __future__ import annotations

from typing import TypeAlias

import strawberry

from infinibay.services import doctor
from infinibay.services.isos import service

CheckState: TypeAlias = doctor.CheckState
strawberry.enum(CheckState)


@strawberry.type
class HostCheck:
    """One requirement of machines: what was seen and, unless all is well, what mends it."""

    name: str
    state: CheckState
    evidence: str
    remedy: str | None

    @classmethod
    def from_result(cls, check: doctor.HostCheck) -> HostCheck:
        return cls(name=check.name, state=check.state, evidence=check.evidence, remedy=check.remedy)


@strawberry.type
class SystemReadiness:
    """Systems in capitals, in the order of `getSupportedOSTypes`."""

    ready: bool
    available_os: list[str] = strawberry.field(name="availableOS")
    missing_os: list[str] = strawberry.field(name="missingOS")

    @classmethod
    def from_result(cls, found: service.SystemReadiness) -> SystemReadiness:
        return cls(ready=found.ready, available_os=list(found.available), missing_os=list(found.missing))

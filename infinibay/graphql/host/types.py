"""The host's report as clients see it."""

from __future__ import annotations

from typing import TypeAlias

import strawberry

from infinibay.services import doctor

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

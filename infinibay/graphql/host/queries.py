"""Reading about the host."""

from __future__ import annotations

import strawberry

from infinibay.graphql.context import Info
from infinibay.graphql.host.types import HostCheck, SystemReadiness


@strawberry.type
class HostQueries:
    @strawberry.field
    async def host_report(self, info: Info) -> list[HostCheck]:
        """What machines need of the host that answers, in the order in which to mend it."""
        return [HostCheck.from_result(check) for check in await info.context.services.doctor.report()]

    @strawberry.field
    async def check_system_readiness(self, info: Info) -> SystemReadiness:
        """Which systems can be installed: those whose medium is there and whole. Ready when there is one."""
        return SystemReadiness.from_result(await info.context.services.isos.readiness())

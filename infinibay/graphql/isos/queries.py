"""Reading about installation media."""

# ruff: noqa: N802 - the contract's names, which no rule of ours makes.

from __future__ import annotations

import strawberry

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.graphql.context import Info
from infinibay.graphql.isos.types import ISO, ISOAvailabilityMap, ISOStatus


@strawberry.type
class IsoQueries:
    @strawberry.field
    async def availableISOs(self, info: Info) -> list[ISO]:
        """The media that machines can be installed from, by name."""
        return [ISO.from_result(view) for view in await info.context.services.isos.list(usable_alone=True)]

    @strawberry.field
    async def allISOs(self, info: Info) -> list[ISO]:
        """All media that are known, by name, also those whose file is missing or damaged."""
        return [ISO.from_result(view) for view in await info.context.services.isos.list(usable_alone=False)]

    @strawberry.field
    async def checkISOStatus(self, info: Info, os: str) -> ISOStatus:
        """Whether a machine with the system can be made without naming a medium."""
        (status,) = await info.context.services.isos.statuses([os], "os")
        return ISOStatus.from_result(status)

    @strawberry.field
    async def checkMultipleOSAvailability(self, info: Info, os_list: list[str]) -> list[ISOAvailabilityMap]:
        """The same for several systems, in their order."""
        found = await info.context.services.isos.statuses(os_list, "osList")
        return [ISOAvailabilityMap.from_result(status) for status in found]

    @strawberry.field
    async def getSupportedOSTypes(self) -> list[str]:
        """The systems that can be installed where there is a medium."""
        return [name.upper() for name in OPERATING_SYSTEMS]

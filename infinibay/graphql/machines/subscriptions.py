"""Following the machines' status."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import strawberry

from infinibay.graphql.common import optional_id, shown_as
from infinibay.graphql.context import Info
from infinibay.graphql.machines.types import MachineStatusEvent


@strawberry.type
class MachineSubscriptions:
    @strawberry.subscription
    async def machine_status(
        self, info: Info, machine_id: strawberry.ID | None = strawberry.UNSET
    ) -> AsyncGenerator[MachineStatusEvent, None]:
        """The present status of one machine or of all, then each change."""
        stream = await info.context.services.machine_states.watch(info.context.caller, optional_id(machine_id))
        return shown_as(MachineStatusEvent.from_result, stream)

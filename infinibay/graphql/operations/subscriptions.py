"""Following operations and events."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import strawberry

from infinibay.graphql.common import known_id, optional_id, shown_as
from infinibay.graphql.context import Info
from infinibay.graphql.operations.types import Event, Operation
from infinibay.graphql.scalars import BigInt


@strawberry.type
class OperationSubscriptions:
    @strawberry.subscription
    async def machine_events(
        self,
        info: Info,
        machine_id: strawberry.ID | None = strawberry.UNSET,
        after_seq: BigInt | None = strawberry.UNSET,
    ) -> AsyncGenerator[Event, None]:
        """Events in their order, after the given number or from now on, of one machine or all."""
        after = None if after_seq is strawberry.UNSET else after_seq
        stream = await info.context.services.events.watch(info.context.caller, optional_id(machine_id), after)
        return shown_as(Event.from_row, stream)

    @strawberry.subscription
    async def operation_progress(self, info: Info, operation_id: strawberry.ID) -> AsyncGenerator[Operation, None]:
        """An operation as it is, then whenever it has changed; ends with it."""
        stream = await info.context.services.operations.watch(info.context.caller, known_id(operation_id))
        return shown_as(Operation.from_row, stream)

"""Reading operations and events."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import known_id, optional_id, page_size
from infinibay.graphql.context import Info
from infinibay.graphql.operations.inputs import OperationFilter
from infinibay.graphql.operations.types import Event, Operation, OperationPage
from infinibay.graphql.scalars import BigInt

_FROM_THE_START = BigInt(0)


@strawberry.type
class OperationQueries:
    @strawberry.field
    async def operation(self, info: Info, id: strawberry.ID) -> Operation | None:
        """One operation; null when it is absent or not the caller's."""
        row = await info.context.services.operations.find(info.context.caller, known_id(id))
        return Operation.from_row(row) if row else None

    @strawberry.field
    async def operations(
        self,
        info: Info,
        filter: OperationFilter | None = strawberry.UNSET,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> OperationPage:
        """Operations, the latest first."""
        wanted = filter or OperationFilter()
        page = await info.context.services.operations.page(
            info.context.caller,
            machine_id=optional_id(wanted.machine_id),
            state=wanted.state or None,
            kind=wanted.kind or None,
            first=page_size(first, 50),
            after=after or None,
        )
        return OperationPage.from_result(page)

    @strawberry.field
    async def machine_events(
        self,
        info: Info,
        machine_id: strawberry.ID | None = strawberry.UNSET,
        after_seq: BigInt | None = _FROM_THE_START,
        first: int | None = 100,
    ) -> list[Event]:
        """Events in their order, after the given number."""
        page = await info.context.services.events.page(
            info.context.caller, optional_id(machine_id), after_seq or 0, page_size(first, 100)
        )
        return [Event.from_row(row) for row in page]

"""Acting on operations."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info
from infinibay.graphql.operations.types import Operation


@strawberry.type
class OperationMutations:
    @strawberry.mutation
    async def cancel_operation(self, info: Info, id: strawberry.ID) -> Operation:
        """Asks an operation to end; it undoes what it did."""
        return Operation.from_row(await info.context.services.operations.cancel(info.context.caller, known_id(id)))

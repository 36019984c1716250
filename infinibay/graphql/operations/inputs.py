"""What clients send about operations."""

from __future__ import annotations

import strawberry

from infinibay.graphql.operations.types import OperationState


@strawberry.input
class OperationFilter:
    machine_id: strawberry.ID | None = strawberry.UNSET
    state: OperationState | None = strawberry.UNSET
    kind: str | None = strawberry.UNSET

"""Operations, their failures and events as clients see them."""

from __future__ import annotations

from typing import TypeAlias

import strawberry

from infinibay.db import rows
from infinibay.graphql.scalars import BigInt, DateTimeISO, JSONObject
from infinibay.operations.api import Failure as OperationFailure
from infinibay.services.operations import OperationPage as OperationPageResult

OperationState: TypeAlias = rows.OperationState
strawberry.enum(OperationState)


@strawberry.type
class Failure:
    """Why an operation ended, and what can be done about it."""

    step: str | None
    code: str
    message: str
    remedy: str | None
    log: list[str]

    @classmethod
    def from_result(cls, failure: OperationFailure) -> Failure:
        return cls(
            step=failure.step,
            code=failure.code,
            message=failure.message,
            remedy=failure.remedy,
            log=list(failure.log),
        )

    @classmethod
    def from_row(cls, row: rows.Operation) -> Failure | None:
        """What a failed operation's row keeps; None for any other."""
        if row.failureCode is None:
            return None
        return cls(
            step=row.failureStep,
            code=row.failureCode,
            message=row.failureMessage or "",
            remedy=row.failureRemedy,
            log=list(row.log),
        )


@strawberry.type
class Operation:
    """One durable change; `percent` is that of the present step, where it is known."""

    id: strawberry.ID
    kind: str
    machine_id: strawberry.ID | None
    state: OperationState
    step: str | None
    step_number: int | None
    steps: int
    percent: int | None
    created_at: DateTimeISO
    started_at: DateTimeISO | None
    ended_at: DateTimeISO | None
    requested_by: strawberry.ID | None
    failure: Failure | None

    @classmethod
    def from_row(cls, row: rows.Operation) -> Operation:
        return cls(
            id=strawberry.ID(row.id),
            kind=row.kind,
            machine_id=strawberry.ID(row.machineId) if row.machineId else None,
            state=row.state,
            step=row.step,
            step_number=row.stepNumber,
            steps=row.steps,
            percent=row.percent,
            created_at=DateTimeISO(row.createdAt),
            started_at=DateTimeISO(row.startedAt) if row.startedAt else None,
            ended_at=DateTimeISO(row.endedAt) if row.endedAt else None,
            requested_by=strawberry.ID(row.requestedById) if row.requestedById else None,
            failure=Failure.from_row(row),
        )


@strawberry.type
class OperationPage:
    """`next` goes into `after`; null at the end."""

    items: list[Operation]
    next: str | None

    @classmethod
    def from_result(cls, page: OperationPageResult) -> OperationPage:
        return cls(items=[Operation.from_row(row) for row in page.items], next=page.next)


@strawberry.type
class Event:
    """Something that happened; `seq` is the order of all events."""

    seq: BigInt
    kind: str
    machine_id: strawberry.ID | None
    operation_id: strawberry.ID | None
    at: DateTimeISO
    actor: strawberry.ID | None
    data: JSONObject

    @classmethod
    def from_row(cls, row: rows.Event) -> Event:
        return cls(
            seq=BigInt(row.seq),
            kind=row.kind,
            machine_id=strawberry.ID(row.machineId) if row.machineId else None,
            operation_id=strawberry.ID(row.operationId) if row.operationId else None,
            at=DateTimeISO(row.at),
            actor=strawberry.ID(row.actorId) if row.actorId else None,
            data=JSONObject(dict(row.data)),
        )

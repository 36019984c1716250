"""The answers of mutations as they are kept under an idempotency key, and made again from it.

Machines and operations are kept by id and shown as they are now; everything else is small and kept whole.
"""

from __future__ import annotations

from typing import Any

import strawberry

from infinibay.errors import InfinibayError, NotFound
from infinibay.graphql.common import SuccessType
from infinibay.graphql.context import Context
from infinibay.graphql.departments.types import DepartmentType
from infinibay.graphql.machines.types import CommandExecutionResponseType, Machine
from infinibay.graphql.operations.types import Operation
from infinibay.graphql.scalars import DateTimeISO, print_moment, read_moment


def frozen(result: object) -> dict[str, Any]:
    """JSON without secrets. Raises InfinibayError for a type that has no way to be kept yet."""
    match result:
        case Machine():
            return {"machine": str(result.id)}
        case Operation():
            return {"operation": str(result.id)}
        case DepartmentType():
            return {"department": {**strawberry.asdict(result), "created_at": print_moment(result.created_at)}}
        case SuccessType():
            return {"success": strawberry.asdict(result)}
        case CommandExecutionResponseType():
            return {"command": strawberry.asdict(result)}
        case bool() | int():
            return {"value": result}
        case _:
            raise InfinibayError(f"An answer of type {type(result).__name__} can't be kept")


async def thawed(context: Context, outcome: dict[str, Any]) -> object:
    """The answer that `frozen` took. NotFound when its machine or operation is gone meanwhile."""
    ((kind, kept),) = outcome.items()
    match kind:
        case "machine":
            machine = await context.services.machines.find(context.caller, kept)
            if machine is None:
                raise NotFound("The machine of the first answer is gone")
            return Machine.from_row(machine, context.graphic_host)
        case "operation":
            operation = await context.services.operations.find(context.caller, kept)
            if operation is None:
                raise NotFound("The operation of the first answer is gone")
            return Operation.from_row(operation)
        case "department":
            return DepartmentType(**{**kept, "created_at": DateTimeISO(read_moment(kept["created_at"]))})
        case "success":
            return SuccessType(**kept)
        case "command":
            return CommandExecutionResponseType(**kept)
        case _:
            return kept

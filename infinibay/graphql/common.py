"""What several areas share: paging, order, the answer of a verb, and ids."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from enum import Enum
from typing import TypeVar
from uuid import UUID

import strawberry

from infinibay.core.identifiers import canonical
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.services.machines.requests import Outcome

Row = TypeVar("Row")
Shown = TypeVar("Shown")
LARGEST_PAGE = 1000
_NOBODY = str(UUID(int=0))
T = TypeVar("T")


@strawberry.enum
class OrderByDirection(Enum):
    ASC = "asc"
    DESC = "desc"


@strawberry.input
class PaginationInputType:
    take: int | None = 20
    skip: int | None = 0


@strawberry.type
class SuccessType:
    """What a verb really did, in a sentence."""

    success: bool
    message: str

    @classmethod
    def from_result(cls, outcome: Outcome) -> SuccessType:
        return cls(success=outcome.success, message=outcome.message)


def window(pagination: PaginationInputType | None, default: int | None = None) -> tuple[int | None, int]:
    """How many to take and to skip; no pagination means the first `default`, or all. Raises BadUserInput."""
    if not pagination:
        return default, 0
    take = 20 if pagination.take is None else pagination.take
    return _within("pagination.take", take, 0, LARGEST_PAGE), _within("pagination.skip", pagination.skip or 0, 0, None)


def page_size(first: int | None, default: int) -> int:
    """The size of a page by cursor, 1 to 1000. Raises BadUserInput."""
    return _within("first", default if first is None else first, 1, LARGEST_PAGE)


def _within(field: str, number: int, least: int, most: int | None) -> int:
    if number < least or (most is not None and number > most):
        limits = f"at least {least}" if most is None else f"between {least} and {most}"
        raise BadUserInput(FieldProblem(field, f"{field} must be {limits}, not {number}"))
    return number


def known_id(text: str) -> str:
    """The id as the database writes it; a text that is no id becomes one that nothing has."""
    return canonical(text) or _NOBODY


def optional_id(text: str | None) -> str | None:
    """The same for an id that may be left out; an empty one counts as left out."""
    return known_id(text) if text else None


def given(value: T | None) -> T | None:
    """None for what the client left out."""
    return None if value is strawberry.UNSET else value


async def shown_as(show: Callable[[Row], Shown], stream: AsyncGenerator[Row, None]) -> AsyncGenerator[Shown, None]:
    """A service's stream as clients see it."""
    async with aclosing(stream):
        async for row in stream:
            yield show(row)

"""The schema's own scalars and how they travel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

DateTimeISO = NewType("DateTimeISO", datetime)
JSONObject = NewType("JSONObject", dict[str, Any])
BigInt = NewType("BigInt", int)

_LARGEST = 2**63 - 1


def print_moment(moment: datetime) -> str:
    """`2026-01-31T12:00:00.000Z`, as JavaScript's `toISOString` does."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def read_moment(text: object) -> datetime:
    """The moment of an ISO 8601 text; without a zone it is UTC."""
    if not isinstance(text, str):
        raise TypeError("DateTimeISO must be an ISO 8601 text")
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("JSONObject must be an object")
    return value


def print_big(number: object) -> str:
    """A decimal text, since JavaScript's numbers end at 2^53."""
    return str(read_big(number))


def read_big(value: object) -> int:
    """A whole number of 64 bits from a number or a decimal text."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError("BigInt must be a whole number or a decimal text")
    if isinstance(value, str) and not (value.isascii() and value.removeprefix("-").isdecimal() and len(value) <= 20):
        raise ValueError("BigInt must be a whole number or a decimal text")
    number = int(value)
    if not -_LARGEST - 1 <= number <= _LARGEST:
        raise ValueError("BigInt must fit into 64 bits")
    return number


SCALARS: dict[object, ScalarDefinition] = {
    DateTimeISO: strawberry.scalar(
        name="DateTimeISO",
        description="A moment as ISO 8601 in UTC with milliseconds.",
        serialize=print_moment,
        parse_value=read_moment,
    ),
    JSONObject: strawberry.scalar(
        name="JSONObject", description="Any JSON object.", serialize=read_object, parse_value=read_object
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of 64 bits; travels as a decimal text, numbers are accepted.",
        serialize=print_big,
        parse_value=read_big,
    ),
}

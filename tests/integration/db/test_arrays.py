"""Lists of each type: written, pushed to, filtered and read as they were."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

TIMES = [datetime(2024, 1, day, 12, 30, 0, 123000, tzinfo=UTC) for day in (1, 2, 3)]
VALUES: dict[str, list[Any]] = {
    "numbers": [1, -2, 2**31 - 1],
    "bigs": [1, 2**53 + 1, -(2**63)],
    "flags": [True, False, True],
    "times": TIMES,
    "zoned": TIMES,
    "decimals": [Decimal("1.5"), Decimal("-0.000001"), Decimal("12345678901234567890.5")],
    "amounts": [0.1, -2.0, 1e300],
    "texts": ["", 'NULL "quoted", {braces} \\', "emoji 😀"],
    "roles": ["USER", "ADMIN", "USER"],
}


@pytest.mark.parametrize("field", VALUES)
async def test_list(client: Any, field: str) -> None:
    first, *rest = VALUES[field]
    made = await client.lists.create({field: rest})
    assert getattr(made, field) == rest
    pushed = await client.lists.update(where={"id": made.id}, data={field: {"push": [first]}})
    assert getattr(pushed, field) == [*rest, first]
    replaced = await client.lists.update(where={"id": made.id}, data={field: {"set": [first]}})
    assert getattr(replaced, field) == [first]
    assert await client.lists.count(where={field: {"equals": [first]}}) == 1
    assert await client.lists.count(where={field: {"has": first}}) == 1
    assert await client.lists.count(where={field: {"has_every": [first]}}) == 1
    assert await client.lists.count(where={field: {"has_some": [first, *rest]}}) == 1
    assert await client.lists.count(where={field: {"is_empty": True}}) == 0


@pytest.mark.parametrize("field", [*VALUES, "blobs", "documents"])
async def test_empty_list(client: Any, field: str) -> None:
    assert getattr(await client.lists.create({field: []}), field) == []
    assert await client.lists.count(where={field: {"is_empty": True}}) == 1


async def test_list_of_bytes(client: Any, client_package: Any) -> None:
    first, second = (client_package.Base64.encode(value) for value in (b"\x00\xff", b"text"))
    made = await client.lists.create({"blobs": [first]})
    pushed = await client.lists.update(where={"id": made.id}, data={"blobs": {"push": [second]}})
    assert [blob.decode() for blob in pushed.blobs] == [b"\x00\xff", b"text"]
    assert await client.lists.count(where={"blobs": {"has": second}}) == 1


async def test_list_of_json(client: Any, json_of: Any) -> None:
    values = [{"a": [1, None]}, "text", 3, [True], {"$type": "Json", "value": "x"}]
    made = await client.lists.create({"documents": [json_of(value) for value in values]})
    assert made.documents == values
    pushed = await client.lists.update(where={"id": made.id}, data={"documents": {"push": [json_of("more")]}})
    assert pushed.documents == [*values, "more"]
    replaced = await client.lists.update(where={"id": made.id}, data={"documents": {"set": [json_of(1)]}})
    assert replaced.documents == [1]
    assert await client.lists.count(where={"documents": {"equals": [json_of(1)]}}) == 1
    assert await client.lists.count(where={"documents": {"has": json_of(1)}}) == 1
    assert await client.lists.count(where={"documents": {"has_some": [json_of(1), json_of(2)]}}) == 1
    assert await client.lists.count(where={"documents": {"has_every": [json_of(1), json_of(2)]}}) == 0
    assert await client.lists.count(where={"documents": {"equals": None}}) == 0
    await client.lists.create({})
    assert await client.lists.count(where={"documents": {"equals": None}}) == 1

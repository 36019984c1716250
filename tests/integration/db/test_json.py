"""JSON columns: SQL's NULL, JSON's null, and texts that look like the protocol."""

from __future__ import annotations

from typing import Any

import pytest

VALUES: list[Any] = [
    {},
    [],
    "text",
    "null",
    '{"a": 1}',
    "",
    True,
    0,
    1.5,
    {"a": [1, None, {"b": "c"}]},
    {"$type": "Json", "value": "x"},
    {"$type": "BigInt", "value": '1"}'},
    {"set": 1, "where": {"data": None}},
    'quotes " and \\ 😀',
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_value_comes_back_as_it_was(client: Any, json_of: Any, value: Any) -> None:
    made = await client.scalars.create({"document": json_of(value), "text": "after"})
    assert (made.document, made.text) == (value, "after")
    kind = await client.query_first('SELECT jsonb_typeof(document) AS kind, document FROM "Scalars"')
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    assert kind == {"kind": names[type(value)], "document": value}
    assert await client.scalars.count(where={"document": {"equals": json_of(value)}}) == 1
    assert await client.scalars.count(where={"document": {"not": json_of(value)}}) == 0


async def test_none_is_null_and_json_null_is_not(client: Any, json_of: Any) -> None:
    await client.scalars.create({"document": None})
    await client.scalars.create({"document": json_of(None)})
    found = await client.query_raw('SELECT document IS NULL AS missing FROM "Scalars" ORDER BY id')
    assert found == [{"missing": True}, {"missing": False}]
    assert await client.scalars.count(where={"document": {"equals": None}}) == 1
    assert await client.scalars.count(where={"document": {"equals": json_of(None)}}) == 1
    await client.scalars.update(where={"id": 2}, data={"document": None})
    assert await client.scalars.count(where={"document": {"equals": None}}) == 2


async def test_filters(client: Any, json_of: Any) -> None:
    await client.scalars.create({"document": json_of({"name": "Robert", "tags": ["a", "b"], "age": 30})})
    await client.scalars.create({"document": json_of({"name": "Tegan", "tags": ["c"], "age": 20})})

    async def names(condition: dict[str, Any]) -> list[str]:
        rows = await client.scalars.find_many(where={"document": condition}, order={"id": "asc"})
        return [row.document["name"] for row in rows]

    assert await names({"path": ["name"], "equals": json_of("Tegan")}) == ["Tegan"]
    assert await names({"path": ["name"], "string_contains": "ober"}) == ["Robert"]
    assert await names({"path": ["name"], "string_starts_with": "T"}) == ["Tegan"]
    assert await names({"path": ["tags"], "array_contains": json_of(["a"])}) == ["Robert"]
    assert await names({"path": ["tags"], "array_starts_with": json_of("c")}) == ["Tegan"]
    assert await names({"path": ["tags"], "array_ends_with": json_of("b")}) == ["Robert"]
    assert await names({"path": ["age"], "gt": json_of(25)}) == ["Robert"]
    assert await names({"path": ["age"], "lte": json_of(25)}) == ["Tegan"]
    assert await names({"path": ["age"], "not": json_of(20)}) == ["Robert"]


async def test_large_document(client: Any, json_of: Any) -> None:
    value = {"text": 'a"\\\n' * 200_000, "list": list(range(10_000))}
    made = await client.scalars.create({"document": json_of(value)})
    assert made.document == value

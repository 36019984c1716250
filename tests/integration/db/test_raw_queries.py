"""Raw SQL: parameters, results of each type, and what must not be rewritten."""

from __future__ import annotations

from typing import Any

import pytest


async def test_parameters(client: Any) -> None:
    row = await client.query_first(
        "SELECT $1::int + 1 AS number, $2::text AS text, $3::bool AS flag", 41, 'a"b\\', True
    )
    assert row == {"number": 42, "text": 'a"b\\', "flag": True}


async def test_execute_raw_counts_rows(client: Any) -> None:
    assert await client.execute_raw("""INSERT INTO "Tag" (name) VALUES ($1), ($2)""", "a", "b") == 2
    assert await client.execute_raw("""UPDATE "Tag" SET name = name""") == 2
    assert await client.query_first("SELECT 1 AS one WHERE false") is None


async def test_result_as_model(client: Any, client_package: Any) -> None:
    await client.tag.create({"name": "a"})
    [tag] = await client.query_raw('SELECT * FROM "Tag"', model=client_package.models.Tag)
    assert (tag.id, tag.name) == (1, "a")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1::int2", 1),
        ("2147483647", 2147483647),
        ("9007199254740993::int8", 9007199254740993),
        ("26::oid", 26),
        ("1.5::float4", 1.5),
        ("0.1::float8", 0.1),
        ("1.5::numeric", 1.5),
        ("true", True),
        ("'a'::text", "a"),
        ("'a'::varchar(5)", "a"),
        ("'a'::bpchar", "a"),
        ("'a'::\"char\"", "a"),
        ("'a'::name", "a"),
        ("'USER'::\"Role\"", "USER"),
        ("'\\x00ff'::bytea", "AP8="),
        ("'2024-01-02'::date", "2024-01-02"),
        ("'01:02:03'::time", "01:02:03"),
        ("'2024-01-02 03:04:05'::timestamp", "2024-01-02T03:04:05+00:00"),
        ("'2024-01-02 03:04:05+02'::timestamptz", "2024-01-02T01:04:05+00:00"),
        ("'0190a6e0-0000-7000-8000-000000000001'::uuid", "0190a6e0-0000-7000-8000-000000000001"),
        ('\'{"$type":"Json","value":"x"}\'::jsonb', {"$type": "Json", "value": "x"}),
        ("'[1, null]'::json", [1, None]),
        ("'1 day'::interval", "1 day"),
        ("'people'::regclass", "people"),
        ("'10.0.0.1'::inet", "10.0.0.1"),
        ("B'101'", "101"),
        ("NULL::int", None),
        ("ARRAY[1, 2]", [1, 2]),
        ("ARRAY[1, NULL]", [1, None]),
        ("ARRAY[9007199254740993]", [9007199254740993]),
        ("ARRAY['a', 'NULL', NULL, '{\"']", ["a", "NULL", None, '{"']),
        ("ARRAY[true, false]", [True, False]),
        ("ARRAY[1.5::float8]", [1.5]),
        ("ARRAY[1.5::numeric]", [1.5]),
        ("ARRAY['a'::name]", ["a"]),
        ("ARRAY['2024-01-02'::date]", ["2024-01-02"]),
        ("ARRAY['2024-01-02 03:04:05+02'::timestamptz]", ["2024-01-02T01:04:05+00:00"]),
        ("ARRAY['{\"a\": 1}'::jsonb]", [{"a": 1}]),
        ("ARRAY['0190a6e0-0000-7000-8000-000000000001'::uuid]", ["0190a6e0-0000-7000-8000-000000000001"]),
        ("'{}'::int[]", []),
    ],
)
async def test_result_type(client: Any, expression: str, value: Any) -> None:
    assert await client.query_first(f"SELECT {expression} AS value") == {"value": value}


async def test_column_without_value(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.RawQueryError):
        await client.query_raw("SELECT pg_notify('a', 'b')")
    assert await client.execute_raw("SELECT pg_notify('a', 'b')") == 1


async def test_errors(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.RawQueryError, match='relation "nothing" does not exist') as raised:
        await client.query_raw("SELECT * FROM nothing")
    assert (raised.value.code, raised.value.meta["code"]) == ("P2010", "42P01")
    with pytest.raises(client_package.errors.RawQueryError) as refused:
        await client.execute_raw("""INSERT INTO "Tag" (name) VALUES ('a'), ('a')""")
    assert refused.value.meta["code"] == "23505"
    assert await client.query_first("SELECT 1 AS one") == {"one": 1}

"""Each scalar type: written, filtered and read as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest


async def stored(client: Any, **fields: Any) -> Any:
    """A row with these fields, read again."""
    made = await client.scalars.create(fields)
    return await client.scalars.find_unique(where={"id": made.id})


@pytest.mark.parametrize("value", [0, -1, 2**31 - 1, -(2**31)])
async def test_int(client: Any, value: int) -> None:
    assert (await stored(client, number=value)).number == value
    assert await client.scalars.count(where={"number": {"equals": value, "lte": value}}) == 1


@pytest.mark.parametrize("value", [0, 2**53 - 1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
async def test_bigint_keeps_every_digit(client: Any, value: int) -> None:
    assert (await stored(client, big=value)).big == value
    assert await client.scalars.count(where={"big": value}) == 1
    assert await client.scalars.count(where={"big": {"in": [value]}}) == 1
    assert await client.scalars.count(where={"big": {"not": value}}) == 0


async def test_int_out_of_range(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.DataError):
        await client.scalars.create({"number": 2**31})
    with pytest.raises(client_package.errors.DataError):
        await client.scalars.create({"big": 2**63})


async def test_bigint_arithmetic(client: Any) -> None:
    made = await client.scalars.create({"big": 2**53})
    assert (await client.scalars.update(where={"id": made.id}, data={"big": {"increment": 1}})).big == 2**53 + 1


@pytest.mark.parametrize("value", [True, False, None])
async def test_bool(client: Any, value: bool | None) -> None:
    assert (await stored(client, flag=value)).flag is value
    assert await client.scalars.count(where={"flag": value}) == 1


@pytest.mark.parametrize("value", [b"", b"text", bytes(range(256)), b"\x00\xff" * 5000])
async def test_bytes(client: Any, client_package: Any, value: bytes) -> None:
    encoded = client_package.Base64.encode(value)
    row = await stored(client, blob=encoded)
    assert row.blob.decode() == value
    assert await client.scalars.count(where={"blob": {"equals": encoded}}) == 1


@pytest.mark.parametrize("value", [0.0, -1.5, 0.1, 1e-10, 1.7e308, 123456789.1234568, 1e21])
async def test_float(client: Any, value: float) -> None:
    assert (await stored(client, amount=value)).amount == value
    assert await client.scalars.count(where={"amount": {"gte": value}}) == 1


async def test_whole_number_as_float(client: Any) -> None:
    assert (await stored(client, amount=3)).amount == 3.0
    assert (await stored(client, amount=2**60)).amount == float(2**60)


@pytest.mark.parametrize("value", ["0", "1.10", "-123456789012345678.123456789", "0.000001", "99999999999999999999"])
async def test_decimal(client: Any, value: str) -> None:
    assert (await stored(client, exact=Decimal(value))).exact == Decimal(value)
    assert await client.scalars.count(where={"exact": {"equals": Decimal(value)}}) == 1


@pytest.mark.parametrize("field", ["at", "atZone"])
@pytest.mark.parametrize(
    "value",
    [
        datetime(2024, 2, 29, 23, 59, 59, 999000, tzinfo=UTC),
        datetime(1969, 7, 20, 20, 17, 40, tzinfo=UTC),
        datetime(2024, 7, 1, 0, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(2024, 7, 1, 23, 30, tzinfo=timezone(timedelta(hours=-8))),
    ],
)
async def test_datetime(client: Any, field: str, value: datetime) -> None:
    row = await stored(client, **{field: value})
    assert getattr(row, field) == value
    assert await client.scalars.count(where={field: {"equals": value}}) == 1
    assert await client.scalars.count(where={field: {"gt": value}}) == 0
    stored_clock = await client.query_first(
        """SELECT ("at" = $1::timestamp OR "atZone" AT TIME ZONE 'UTC' = $1::timestamp) AS same FROM "Scalars" """,
        value.astimezone(UTC).replace(tzinfo=None).isoformat(),
    )
    assert stored_clock == {"same": True}


async def test_time_with_offset_whatever_the_session(client: Any) -> None:
    """The driver's own adapter cuts the offset off, which is right only in UTC."""
    async with client.tx() as tx:
        await tx.execute_raw("SET LOCAL TIME ZONE 'Asia/Kolkata'")
        await tx.execute_raw("""INSERT INTO "Scalars" ("atZone") VALUES ('2024-01-01 00:00:00.123+00')""")
        row = await tx.scalars.find_first()
        raw = await tx.query_first("""SELECT "atZone" AS at, '01:30:00+05:30'::timetz AS clock FROM "Scalars" """)
    assert row.atZone == datetime(2024, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)
    assert datetime.fromisoformat(raw["at"]) == row.atZone
    assert raw["clock"] == "20:00:00"


async def test_date(client: Any) -> None:
    day = datetime(2024, 2, 29, tzinfo=UTC)
    assert (await stored(client, day=day)).day == day


async def test_uuid_and_enum(client: Any) -> None:
    identity = "0190a6e0-0000-7000-8000-000000000001"
    row = await stored(client, identity=identity, role="ADMIN")
    assert (row.identity, row.role) == (identity, "ADMIN")
    assert await client.scalars.count(where={"identity": identity, "role": {"in": ["ADMIN"]}}) == 1


async def test_malformed_uuid(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.DataError):
        await client.scalars.find_first(where={"identity": "no uuid"})

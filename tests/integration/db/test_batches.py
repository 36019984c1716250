"""Batches: several writes in one request and one transaction."""

from __future__ import annotations

from typing import Any

import pytest


async def test_all_or_nothing(client: Any, client_package: Any) -> None:
    async with client.batch_() as batch:
        batch.tag.create({"name": "a"})
        batch.tag.create_many([{"name": "b"}, {"name": "c"}])
        batch.tag.update(where={"name": "a"}, data={"name": "d"})
        batch.execute_raw("""DELETE FROM "Tag" WHERE name = $1""", "b")
    assert {tag.name for tag in await client.tag.find_many()} == {"c", "d"}
    with pytest.raises(client_package.errors.UniqueViolationError):
        async with client.batch_() as batch:
            batch.tag.create({"name": "e"})
            batch.tag.create({"name": "e"})
    assert await client.tag.count() == 2


async def test_every_action(client: Any) -> None:
    async with client.batch_() as batch:
        batch.tag.create({"name": "a"})
        batch.tag.upsert(where={"name": "b"}, data={"create": {"name": "b"}, "update": {"name": "x"}})
        batch.tag.update_many(where={"name": "a"}, data={"name": "c"})
        batch.tag.delete(where={"name": "b"})
        batch.tag.delete_many(where={"name": "none"})
    assert [tag.name for tag in await client.tag.find_many()] == ["c"]


async def test_nothing_is_sent_after_an_exception(client: Any) -> None:
    with pytest.raises(KeyError):
        async with client.batch_() as batch:
            batch.tag.create({"name": "a"})
            raise KeyError
    assert await client.tag.count() == 0


async def test_in_a_transaction(client: Any) -> None:
    with pytest.raises(KeyError):
        async with client.tx() as tx:
            async with tx.batch_() as batch:
                batch.tag.create({"name": "a"})
            assert await tx.tag.count() == 1
            raise KeyError
    assert await client.tag.count() == 0


async def test_error_in_a_transaction_is_noticed(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.UniqueViolationError):
        async with client.tx() as tx:
            batch = tx.batch_()
            batch.tag.create({"name": "a"})
            batch.tag.create({"name": "a"})
            await batch.commit()
    assert await client.tag.count() == 0


async def test_empty_batch(client: Any) -> None:
    async with client.batch_():
        pass
    assert await client.tag.count() == 0


async def test_json_in_a_batch(client: Any, json_of: Any) -> None:
    async with client.batch_() as batch:
        batch.scalars.create({"document": json_of({"a": 1}), "big": 2**60})
    row = await client.scalars.find_first()
    assert (row.document, row.big) == ({"a": 1}, 2**60)

"""Errors have the native engine's codes and the client's classes."""

from __future__ import annotations

from typing import Any

import pytest


async def test_unique_violation(client: Any, client_package: Any) -> None:
    await client.tag.create({"name": "a"})
    with pytest.raises(client_package.errors.UniqueViolationError) as raised:
        await client.tag.create({"name": "a"})
    assert (raised.value.code, raised.value.meta["target"]) == ("P2002", ["name"])


async def test_foreign_key_violation(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.ForeignKeyViolationError) as raised:
        await client.post.create({"title": "One", "authorId": 99})
    assert raised.value.code == "P2003"


async def test_unknown_fields(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.FieldNotFoundError):
        await client.tag.find_first(where={"nothing": 1})
    with pytest.raises(client_package.errors.FieldNotFoundError):
        await client.tag.create({"name": "a", "nothing": 1})


async def test_missing_table(client: Any, client_package: Any) -> None:
    await client.execute_raw('ALTER TABLE "TaskOrThrow" RENAME TO hidden')
    try:
        with pytest.raises(client_package.errors.TableNotFoundError) as raised:
            await client.taskorthrow.count()
    finally:
        await client.execute_raw('ALTER TABLE hidden RENAME TO "TaskOrThrow"')
    assert raised.value.code == "P2021"


async def test_record_to_connect_is_missing(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.RecordNotFoundError):
        await client.post.create({"title": "One", "author": {"connect": {"id": 99}}})


@pytest.mark.parametrize("query", ["", "query {", "query { result: findManyNothing { id } }", 'query { result: x(a: "'])
async def test_request_that_cannot_be_read(client: Any, client_package: Any, query: str) -> None:
    with pytest.raises(client_package.errors.FieldNotFoundError) as raised:
        await client._engine.request("POST", "/", content=client_package._builder.dumps({"query": query}))
    assert raised.value.code == "P2009"

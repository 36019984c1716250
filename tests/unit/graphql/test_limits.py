"""Queries that would cost too much are refused, on the first and on the second try."""

from __future__ import annotations

from typing import Any

import pytest
import strawberry.schema.schema
from graphql import get_introspection_query, validate

from tests.support.api import Api

MACHINE = "user { id }"


def doubling(levels: int) -> str:
    """A short text whose fragments double with each level."""
    parts = [f"fragment F{n} on UserType {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return "{ currentUser { ...F0 } } " + " ".join([*parts, f"fragment F{levels} on UserType {{ id }}"])


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("{ " + " ".join("__typename" for _ in range(2001)) + " }", "GRAPHQL_PARSE_FAILED", "2000 tokens"),
        ("{ " + " ".join(f"a{n}: __typename" for n in range(31)) + " }", "GRAPHQL_VALIDATION_FAILED", "31 aliases"),
        (doubling(12), "GRAPHQL_VALIDATION_FAILED", "selects more than 2000 fields"),
        ("fragment F on UserType { ...F } { currentUser { ...F } }", "GRAPHQL_VALIDATION_FAILED", "itself"),
    ],
)
async def test_a_query_beyond_a_limit_is_refused(api: Api, query: str, code: str, message: str) -> None:
    for _ in range(2):
        answer = await api.post(query)
        assert answer.status_code == 400
        assert message in answer.json()["errors"][0]["message"]
        assert answer.json()["errors"][0]["extensions"]["code"] == code


async def test_introspection_fits_into_the_limits(api: Api) -> None:
    answer = await api.ask(get_introspection_query(), role=None)
    assert answer["__schema"]["queryType"]["name"] == "Query"


@pytest.mark.parametrize(
    ("pagination", "field"),
    [
        ({"take": -1}, "pagination.take"),
        ({"take": 1001}, "pagination.take"),
        ({"skip": -1}, "pagination.skip"),
    ],
)
async def test_a_page_has_sensible_limits(api: Api, pagination: dict[str, int], field: str) -> None:
    query = "query ($p: PaginationInputType) { machines(pagination: $p) { id } }"
    error = await api.refusal(query, {"p": pagination})
    assert (error["code"], [one["field"] for one in error["fields"]]) == ("BAD_USER_INPUT", [field])


@pytest.mark.parametrize(
    ("arguments", "reached"),
    [
        ("", (None, 0)),
        ("(pagination: {})", (20, 0)),
        ("(pagination: {take: null, skip: null})", (20, 0)),
        ("(pagination: {take: 5, skip: 7})", (5, 7)),
    ],
)
async def test_pagination_has_the_interface_s_defaults(api: Api, arguments: str, reached: tuple[Any, ...]) -> None:
    await api.ask(f"{{ machines{arguments} {{ id }} }}")
    assert api.machines.last("list")[1:] == reached


@pytest.mark.parametrize("first", [0, -1, 1001])
async def test_a_page_by_cursor_has_1_to_1000_items(api: Api, first: int) -> None:
    for field in ("machinesPage", "operations"):
        error = await api.refusal(f"{{ {field}(first: {first}) {{ next }} }}")
        assert (error["code"], error["fields"][0]["field"]) == ("BAD_USER_INPUT", "first")


async def test_nested_fields_of_a_list_are_loaded_in_one_batch(api: Api) -> None:
    mutation = "mutation ($input: CreateMachineInputType!) { createMachine(input: $input) { id } }"
    value = {"name": "n", "os": "FEDORA", "username": "u", "password": "secret-1"}
    for _ in range(3):
        await api.ask(mutation, {"input": value})
    api.operations.batches.clear()
    await api.ask("{ machines { id operation { id } failure { code } } }")
    assert api.operations.batches == ["latest"]


async def test_a_document_is_validated_once_however_often_it_comes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "query OnlyHere { currentUser { id email } }"
    await api.ask(query)
    validations = 0

    def count(*arguments: Any) -> list[Any]:
        nonlocal validations
        validations += 1
        return list(validate(*arguments))

    monkeypatch.setattr(strawberry.schema.schema, "validate", count)
    for _ in range(3):
        await api.ask(query)
    assert validations == 0
    await api.ask(query.replace("email", "role"))
    assert validations == 1

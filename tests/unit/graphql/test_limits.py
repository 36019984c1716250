"""Queries that would cost too much are refused, on the first and on the second try."""

from __future__ import annotations

from typing import Any

import pytest
import strawberry.schema.schema
from graphql import get_introspection_query, validate

from infinibay.graphql.limits import LONGEST_TEXT
from tests.support.api import Api

MACHINE = "user { id }"


def doubling(levels: int) -> str:
    """A short text whose fragments double with each level."""
    parts = [f"fragment F{n} on UserType {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return "{ currentUser { ...F0 } } " + " ".join([*parts, f"fragment F{levels} on UserType {{ id }}"])


def nested(levels: int) -> str:
    """Fields within fields, whether there are such or not."""
    return "{ machines " + "{ department " * levels + "{ id }" + " }" * (levels + 1)


def chained(levels: int) -> str:
    """The same depth, one level by each fragment."""
    parts = [f"fragment F{n} on Machine {{ department {{ ...F{n + 1} }} }}" for n in range(levels)]
    return "{ machines { ...F0 } } " + " ".join([*parts, f"fragment F{levels} on Machine {{ id }}"])


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("{ __typename } #" + "\N{GRINNING FACE}" * LONGEST_TEXT, "GRAPHQL_PARSE_FAILED", "32768 characters"),
        ("{ " + " ".join("__typename" for _ in range(2001)) + " }", "GRAPHQL_PARSE_FAILED", "2000 tokens"),
        (
            "{ " + " ".join(f"a{n}: __typename" for n in range(31)) + " }",
            "GRAPHQL_VALIDATION_FAILED",
            "more than 30 aliases",
        ),
        ("{ " + "currentUser { id email } " * 300 + "}", "GRAPHQL_VALIDATION_FAILED", "Validation aborted"),
        (doubling(12), "GRAPHQL_VALIDATION_FAILED", "selects more than 2000 fields"),
        (doubling(100), "GRAPHQL_VALIDATION_FAILED", "selects more than 2000 fields"),
        (nested(14), "GRAPHQL_VALIDATION_FAILED", "nested deeper than 12 levels"),
        (nested(150), "GRAPHQL_VALIDATION_FAILED", "nested deeper than 12 levels"),
        (chained(14), "GRAPHQL_VALIDATION_FAILED", "nested deeper than 12 levels"),
        ("{ a: __schema { description } b: __schema { description } }", "GRAPHQL_VALIDATION_FAILED", "more than one"),
        ('{ __schema { description } __type(name: "Query") { name } }', "GRAPHQL_VALIDATION_FAILED", "more than one"),
        (
            "{ ...F ...G } fragment F on Query { __typename __schema { description } } fragment G on Query { ...F }",
            "GRAPHQL_VALIDATION_FAILED",
            "more than one",
        ),
        ("{ __schema { a: types { name } b: types { name } } }", "GRAPHQL_VALIDATION_FAILED", "aliases inside"),
        (
            "{ __schema { ... { types { ...F } } } } fragment F on __Type { a: fields { name } }",
            "GRAPHQL_VALIDATION_FAILED",
            "aliases inside",
        ),
        ("{ ...Nothing }", "GRAPHQL_VALIDATION_FAILED", "Unknown fragment 'Nothing'"),
        ("{ currentUser { ...F } } fragment F on UserType { id ...G }", "GRAPHQL_VALIDATION_FAILED", "fragment 'G'"),
        ("fragment F on UserType { ...F } { currentUser { ...F } }", "GRAPHQL_VALIDATION_FAILED", "itself"),
    ],
)
async def test_a_query_beyond_a_limit_is_refused(api: Api, query: str, code: str, message: str) -> None:
    for _ in range(2):
        answer = await api.post(query)
        assert answer.status_code == 400
        errors = answer.json()["errors"]
        assert {error["extensions"]["code"] for error in errors} == {code}
        assert any(message in error["message"] for error in errors)


async def test_a_long_chain_of_fragments_is_no_trouble(api: Api) -> None:
    parts = [f"fragment F{n} on UserType {{ ...F{n + 1} }}" for n in range(190)]
    answer = await api.ask("{ currentUser { ...F0 } } " + " ".join([*parts, "fragment F190 on UserType { role }"]))
    assert answer["currentUser"] == {"role": "SUPER_ADMIN"}


async def test_what_is_as_deep_as_allowed_is_answered(api: Api) -> None:
    deepest = "{ __schema { types { fields { type { ofType { ofType { ofType { ofType { ofType { ofType"
    answer = await api.ask(deepest + " { ofType { ofType { name } }" + " }" * 11)
    assert answer["__schema"]["types"]


async def test_what_is_as_long_as_allowed_is_answered(api: Api) -> None:
    assert await api.ask("{ __typename } #".ljust(LONGEST_TEXT, "x")) == {"__typename": "Query"}


async def test_one_type_may_be_introspected_under_another_name_beside_fields(api: Api) -> None:
    query = '{ a: __type(name: "Query") { name } b: currentUser { role } c: currentUser { id: role } ...F ...F }'
    answer = await api.ask(query + " fragment F on Query { d: currentUser { __typename role } }")
    assert answer["a"] == {"name": "Query"}


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


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The documents that are validated."""
    documents: list[Any] = []

    def noted(schema: Any, document: Any, *others: Any) -> list[Any]:
        documents.append(document)
        return list(validate(schema, document, *others))

    monkeypatch.setattr(strawberry.schema.schema, "validate", noted)
    return documents


async def test_a_document_is_validated_once_however_often_it_comes(api: Api, validations: list[Any]) -> None:
    query = "query OnlyHere { currentUser { id email } }"
    for _ in range(3):
        await api.ask(query)
    assert len(validations) == 1
    await api.ask(query.replace("email", "role"))
    assert len(validations) == 2


async def test_few_documents_are_kept(api: Api, validations: list[Any]) -> None:
    for number in [*range(101), 100, 0]:
        await api.ask(f"query Kept{number} {{ __typename }}")
    assert len(validations) == 102

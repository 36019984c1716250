"""Strange texts through every input: a clear error or an exact round trip, never a failure of the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)
from graphql.type import get_nullable_type
from hypothesis import given, settings
from hypothesis import strategies as st

from infinibay.core.access import Role
from infinibay.graphql.texts import DEEPEST, LONGEST_LIST, LONGEST_TEXT
from tests.support.api import Api
from tests.unit.graphql.test_permissions import SCHEMA, any_value

STRANGE = (
    "",
    "   ",
    'O\'Brien "quoted" `ticked`',
    "<script>alert(1)</script> & </name>",
    "'; DROP TABLE machines; --",
    "$1 %s {0} ${HOME} $(reboot) `reboot`",
    "../../../etc/passwd",
    "C:\\Windows\\System32",
    "🙂 é ñ 漢字 \u202e\u200b\ufeff",
    "line\nbreak\ttab\r\x1b[31m",
    "\u0085\u2028\u2029\uffff",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff and \ud83d",
    "x" * 10_000,
    "🙂" * 20_001,
)
# The same in few texts, for all places.
GATHERED = (
    "",
    "\"O'Brien\" <b>&</b> '; DROP TABLE machines; -- $1 %s {0} ${HOME} $(reboot) ../../etc/passwd C:\\x",
    "🙂 é ñ 漢字 \u202e\u200b\ufeff\u0085\u2028\uffff\n\t\r\x1b[31m",
    "a\0b",
    "\udfff and \ud83d",
    "🙂" * 20_001,
)
UNSTORABLE = ("\0", "a\0b", "\ud800", "\udfff and \ud83d")


def text_inputs() -> list[tuple[str, str]]:
    """Every place of the schema that takes a text: the root field and the path to it, as `input.name`."""
    return [
        (f"{root.name}.{name}", path)
        for root in (SCHEMA.query_type, SCHEMA.mutation_type)
        if isinstance(root, GraphQLObjectType)
        for name, field in root.fields.items()
        for argument, a in field.args.items()
        for path in _paths(argument, a)
    ]


def _paths(path: str, holder: GraphQLArgument | GraphQLInputField) -> Iterator[str]:
    kind = get_nullable_type(holder.type)
    named = get_named_type(kind)
    item = f"{path}[]" if is_list_type(kind) else path
    if isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            yield from _paths(f"{item}.{name}", field)
    elif named.name in {"String", "ID", "JSONObject"}:
        yield f"{item}{{}}" if named.name == "JSONObject" else item


def request(full_name: str, path: str, text: str) -> tuple[str, dict[str, Any]]:
    """A document whose value at the path is the text; everything else is filled in."""
    kind, name = full_name.split(".")
    field = SCHEMA.type_map[kind].fields[name]  # type: ignore[attr-defined]
    head = path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0].split("{", maxsplit=1)[0]
    used = {arg: a for arg, a in field.args.items() if is_required_argument(a) or arg == head}
    variables = {arg: any_value(a.type) for arg, a in used.items()}
    variables[head] = _placed(used[head].type, path.removeprefix(head), text)
    declared = ", ".join(f"${arg}: {a.type}" for arg, a in used.items())
    passed = ", ".join(f"{arg}: ${arg}" for arg in used)
    selection = "" if is_leaf_type(get_named_type(field.type)) else "{ __typename }"
    return f"{kind.lower()} ({declared}) {{ {name}({passed}) {selection} }}", variables


def _placed(kind: Any, rest: str, text: str) -> Any:
    named = get_named_type(kind)
    if rest.startswith("[]"):
        return [_placed(named, rest[2:], text)]
    if rest == "{}":
        return {"key": [{"inner": text}]}
    if not rest:
        return text
    name, tail = _split(rest[1:])
    others = {n: any_value(f.type) for n, f in named.fields.items() if is_required_input_field(f)}
    return {**others, name: _placed(named.fields[name].type, tail, text)}


def _split(rest: str) -> tuple[str, str]:
    end = min((rest.find(mark) for mark in ".[{" if mark in rest), default=len(rest))
    return rest[:end], rest[end:]


INPUTS = text_inputs()


def test_every_area_has_texts() -> None:
    assert len(INPUTS) > 60
    assert ("Mutation.createMachine", "input.applications[].parameters{}") in INPUTS
    assert ("Mutation.login", "idempotencyKey") in INPUTS


async def answered(api: Api, full_name: str, path: str, text: str) -> list[dict[str, Any]]:
    """The errors of the answer, which is never a failure of the server."""
    role = None if full_name == "Mutation.login" else Role.SUPER_ADMIN
    answer = await api.post(*request(full_name, path, text), role)
    errors: list[dict[str, Any]] = answer.json().get("errors", [])
    assert "INTERNAL_SERVER_ERROR" not in {error["extensions"]["code"] for error in errors}, errors
    assert answer.status_code == 200
    return errors


@pytest.mark.parametrize(("full_name", "path"), [one for one in INPUTS if one[0] != "Mutation.logout"])
async def test_strange_texts_never_break_the_server(api: Api, full_name: str, path: str) -> None:
    for text in GATHERED:
        if full_name == "Mutation.login" and text not in UNSTORABLE and len(text) <= LONGEST_TEXT:
            continue  # The throttle would answer from the tenth on; test_login covers these.
        errors = await answered(api, full_name, path, text)
        if text in UNSTORABLE or len(text) > LONGEST_TEXT:
            (error,) = errors
            assert error["extensions"]["code"] == "BAD_USER_INPUT"
            (field,) = error["extensions"]["fields"]
            assert field["field"].split(".")[-1] in {path.rsplit(".", maxsplit=1)[-1].rstrip("[]{}"), "0", "inner"}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(place=st.sampled_from([one for one in INPUTS if one[0] != "Mutation.login"]), text=st.text())
async def test_any_text_never_breaks_the_server(api: Api, place: tuple[str, str], text: str) -> None:
    if place[0] != "Mutation.logout":
        await answered(api, *place, text)


@pytest.mark.parametrize("text", [text for text in STRANGE if text not in UNSTORABLE and len(text) <= LONGEST_TEXT])
async def test_a_machine_s_name_reaches_the_service_as_it_was_sent(api: Api, text: str) -> None:
    await answered(api, "Mutation.createMachine", "input.name", text)
    assert api.machines.last("create")[0].name == text


@settings(max_examples=60, deadline=None, derandomize=True)
@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=60))
async def test_a_department_s_name_comes_back_exactly(api: Api, text: str) -> None:
    name = f"<{text}> {uuid4()}"
    query = "mutation ($name: String!) { createDepartment(name: $name) { id name } }"
    answer = (await api.post(query, {"name": name})).json()
    if "errors" in answer:  # Non-characters, which no XML can carry.
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        return
    made = answer["data"]["createDepartment"]
    assert made["name"] == name
    read = "query ($id: String!) { department(id: $id) { name } }"
    assert (await api.ask(read, {"id": made["id"]}))["department"] == {"name": name}


NESTED: dict[str, Any] = {"leaf": 1}
for _ in range(DEEPEST + 2):
    NESTED = {"inner": NESTED}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"n": 2**64}, "does not fit into 64 bits"),
        ({"n": 1e999}, None),
        ({"n": [0] * (LONGEST_LIST + 1)}, f"has at most {LONGEST_LIST} items"),
        (NESTED, f"is nested deeper than {DEEPEST} levels"),
        ({"a\0b": 1}, "has a key with characters that can't be kept"),
    ],
)
async def test_json_has_limits(api: Api, value: dict[str, Any], message: str | None) -> None:
    query = "mutation ($input: CreateMachineInputType!) { createMachine(input: $input) { id } }"
    application = {"applicationId": "x", "parameters": value}
    given_input = {"name": "n", "os": "UBUNTU", "username": "u", "password": "p", "applications": [application]}
    answer = await api.post(query, {"input": given_input})
    error = answer.json()["errors"][0]
    if message is None:  # JSON has no infinity.
        assert (answer.status_code, error["extensions"]["code"]) == (400, "BAD_REQUEST")
    else:
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert message in error["message"]
        assert error["extensions"]["fields"][0]["field"].startswith("applications.0.parameters")

"""Strange texts through every input: a clear error or an exact round trip, never a failure of the server."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinibay.core.access import Role
from infinibay.graphql.texts import DEEPEST, LONGEST_LIST, LONGEST_TEXT
from tests.support.api import Api
from tests.support.interface import document, places

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


INPUTS = places({"String", "ID", "JSONObject"})


def test_every_area_has_texts() -> None:
    assert len(INPUTS) > 60
    assert ("Mutation.createMachine", "input.applications[].parameters{}") in INPUTS
    assert ("Mutation.login", "idempotencyKey") in INPUTS


async def answered(api: Api, full_name: str, path: str, text: str) -> list[dict[str, Any]]:
    """The errors of the answer, which is never a failure of the server."""
    role = None if full_name == "Mutation.login" else Role.SUPER_ADMIN
    answer = await api.post(*document(full_name, path, text), role)
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

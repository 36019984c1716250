"""A refused request is told where it is wrong, and its values stay with whoever sent them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import Api

CREATE = "mutation ($input: CreateMachineInputType!) { createMachine(input: $input) { id } }"
LOGIN = 'mutation ($password: String!) { login(email: "x", password: $password) { token } }'
SECRET = "planted 'secret\" value"
EXPECTED = "Variable '$input' has invalid value: Expected value of type 'CreateMachineInputType'"
VALID = {"name": "a", "os": "UBUNTU", "username": "u", "password": SECRET}
CREATED = 'mutation { createMachine(input: {name: "a", os: UBUNTU, username: "u", password: "planted", %s}) { id } }'


@pytest.mark.parametrize(
    ("query", "variables", "message"),
    [
        (
            LOGIN,
            {"password": [SECRET]},
            "Variable '$password' has invalid value: String cannot represent a non string value.",
        ),
        (
            CREATE,
            {"input": {**VALID, "password": {"inner": SECRET}}},
            "Variable '$input' has invalid value at .password: String cannot represent a non string value.",
        ),
        (
            CREATE,
            {"input": {"name": "a", "username": "u", "password": SECRET}},
            f"{EXPECTED} to include required field 'os'.",
        ),
        (
            CREATE,
            {"input": {**VALID, "foo": 1}},
            f"{EXPECTED} not to include unknown field 'foo'. Did you mean 'os'?",
        ),
        (
            CREATE,
            {"input": SECRET},
            f"{EXPECTED} to be an object.",
        ),
        (
            CREATE,
            {"input": {**VALID, "applications": [{"applicationId": "x", "parameters": SECRET}]}},
            (
                "Variable '$input' has invalid value at .applications[0].parameters:"
                " Expected value of type 'JSONObject', but encountered error 'JSONObject must be an object'."
            ),
        ),
        (
            "mutation { login(email: 5, password: planted) { token } }",
            {},
            "String cannot represent a non string value.",
        ),
        (
            CREATED % "foo: 1",
            {},
            "Expected value of type 'CreateMachineInputType' not to include unknown field 'foo'. Did you mean 'os'?",
        ),
        ('mutation { login(email "planted") { token } }', {}, "Syntax Error: Expected ':', found String."),
        ('mutation { login(email """planted""") { token } }', {}, "Syntax Error: Expected ':', found BlockString."),
    ],
)
async def test_a_refusal_shows_no_value(api: Api, query: str, variables: dict[str, Any], message: str) -> None:
    answer = await api.post(query, variables)
    assert answer.status_code == 400
    assert "planted" not in answer.text
    assert answer.json()["errors"][0]["message"] == message

"""Statuses, codes and headers of the HTTP edge, as Apollo Server answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from infinibay.core.access import Role
from infinibay.errors import DatabaseUnavailable, HostFailure
from infinibay.web.graphql_endpoint import LARGEST_BODY
from tests.support.api import Api, running_api
from tests.support.databases import fresh_database


def codes(answer: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ machines { nope } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ machine { id } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ machines {", {}, "GRAPHQL_PARSE_FAILED"),
        ('{ machine(id: "\\ud800") { id } }', {}, "GRAPHQL_PARSE_FAILED"),
        ("query ($id: String!) { machine(id: $id) { id } }", {}, "BAD_USER_INPUT"),
        ("query ($id: String!) { machine(id: $id) { id } }", {"id": 5}, "BAD_USER_INPUT"),
        ("query ($seq: BigInt) { machineEvents(afterSeq: $seq) { seq } }", {"seq": "x"}, "BAD_USER_INPUT"),
        ("query ($seq: BigInt) { machineEvents(afterSeq: $seq) { seq } }", {"seq": 2**63}, "BAD_USER_INPUT"),
        ('{ machineEvents(afterSeq: "x") { seq } }', {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", {}, "OPERATION_RESOLUTION_FAILURE"),
        ("", {}, "BAD_REQUEST"),
    ],
)
async def test_what_fails_before_the_execution_is_400_without_data(
    api: Api, query: str, variables: dict[str, Any], code: str
) -> None:
    for _ in range(2):  # The second time the document comes from the cache.
        answer = await api.post(query, variables)
        assert (answer.status_code, codes(answer)) == (400, [code])
        assert "data" not in answer.json()


@pytest.mark.parametrize(
    ("query", "data", "code"),
    [
        ('mutation { login(email: "a@b.c", password: "x") { token } }', {"login": None}, "UNAUTHENTICATED"),
        # An answer that can't be null takes all data with it, and is still no failure of the request.
        ('{ user(id: "x") { id } }', None, "NOT_FOUND"),
        ('mutation { destroyMachineTemplate(id: "x") }', None, "NOT_FOUND"),
        ("{ users(pagination: {take: -1}) { id } }", None, "BAD_USER_INPUT"),
    ],
)
async def test_what_fails_in_the_execution_is_200(api: Api, query: str, data: object, code: str) -> None:
    answer = await api.post(query)
    assert (answer.status_code, codes(answer), answer.json()["data"]) == (200, [code], data)
    assert list(answer.json()) == ["errors", "data"]


async def test_a_resolver_s_error_is_200_with_data(api: Api) -> None:
    answer = await api.post("{ currentUser { id } }", role=None)
    assert answer.status_code == 200
    assert answer.json()["data"] == {"currentUser": None}
    assert codes(answer) == ["UNAUTHENTICATED"]
    assert answer.json()["errors"][0]["path"] == ["currentUser"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "BAD_REQUEST"),
        (b'"text"', "application/json", 400, "BAD_REQUEST"),
        (b"5", "application/json", 400, "BAD_REQUEST"),
        (b'[{"query": "{ __typename }"}]', "application/json", 400, "BAD_REQUEST"),
        (b'{"query": 5}', "application/json", 400, "BAD_REQUEST"),
        (b"{}", "application/json", 400, "BAD_REQUEST"),
        (b'{"query": null}', "application/json", 400, "BAD_REQUEST"),
        (b'{"variables": {}}', "application/json", 400, "BAD_REQUEST"),
        (b"[]", "application/json", 400, "BAD_REQUEST"),
        (b'{"query": "{ __typename }", "variables": 5}', "application/json", 400, "BAD_REQUEST"),
        (b'{"query": "{ __typename }", "operationName": 5}', "application/json", 400, "BAD_REQUEST"),
        (b'{"query": "{ __typename }", "variables": {"x": NaN}}', "application/json", 400, "BAD_REQUEST"),
        (
            b'{"query": "query A { __typename }", "operationName": "B"}',
            "application/json",
            400,
            "OPERATION_RESOLUTION_FAILURE",
        ),
        (b'{"query": "{ __typename }"}', "text/plain", 400, "BAD_REQUEST"),
        (b"query=%7B__typename%7D", "application/x-www-form-urlencoded", 400, "BAD_REQUEST"),
        (b"[" * 100_000, "application/json", 400, "BAD_REQUEST"),
        (b" " * (LARGEST_BODY + 1), "application/json", 413, "BAD_REQUEST"),
    ],
)
async def test_a_body_that_is_no_request_is_refused_as_json(
    api: Api, content: bytes, kind: str, status: int, code: str
) -> None:
    answer = await api.client.post("/graphql", content=content, headers={"content-type": kind})
    assert (answer.status_code, codes(answer)) == (status, [code])
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


async def test_a_mutation_or_query_by_get_is_not_allowed(api: Api) -> None:
    for query in ("{ __typename }", "mutation { logout }"):
        answer = await api.client.get("/graphql", params={"query": query})
        assert (answer.status_code, codes(answer), answer.headers["allow"]) == (405, ["BAD_REQUEST"], "POST")


async def test_a_browser_gets_a_page_that_says_what_this_is(api: Api) -> None:
    answer = await api.client.get("/graphql", headers={"accept": "text/html,*/*"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "This is the GraphQL interface" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


async def test_the_content_type_follows_the_accept_header(api: Api) -> None:
    plain = await api.post("{ __typename }")
    assert plain.headers["content-type"] == "application/json; charset=utf-8"
    chosen = await api.post("{ __typename }", headers={"accept": "application/graphql-response+json"})
    assert chosen.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    assert plain.content == chosen.content == b'{"data":{"__typename":"Query"}}'
    refused = await api.post("{ nope }", headers={"accept": "application/graphql-response+json"})
    assert (refused.status_code, refused.headers["content-type"]) == (400, chosen.headers["content-type"])


async def test_every_answer_carries_an_id_and_security_headers(api: Api) -> None:
    answer = await api.post("{ __typename }", headers={"x-request-id": "client-1"})
    assert answer.headers["x-request-id"] == "client-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    odd = await api.post("{ __typename }", headers={"x-request-id": "a b\tc"})
    assert len(odd.headers["x-request-id"]) == 32
    assert "access-control-allow-origin" not in answer.headers


async def test_an_unknown_path_is_404_as_json(api: Api) -> None:
    answer = await api.client.get("/nothing")
    assert (answer.status_code, codes(answer)) == (404, ["NOT_FOUND"])


async def test_only_listed_origins_may_read_answers(postgres_url: str, tmp_path: Path) -> None:
    async with (
        fresh_database(postgres_url) as url,
        running_api(url, tmp_path, origins=("https://dashboard.example",)) as other,
    ):
        for origin, allowed in (("https://dashboard.example", True), ("https://evil.example", False)):
            answer = await other.client.options(
                "/graphql",
                headers={
                    "origin": origin,
                    "access-control-request-method": "POST",
                    "access-control-request-headers": "authorization,content-type",
                },
            )
            assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


async def test_readiness_names_the_part_that_fails(api: Api) -> None:
    assert (await api.client.get("/health/live")).json() == {"status": "live"}
    ready = await api.client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    api.readiness["worker"] = "No worker has run on this host yet"
    try:
        failed = await api.client.get("/health/ready")
    finally:
        api.readiness["worker"] = None
    assert failed.status_code == 503
    assert failed.json()["checks"]["worker"] == {"ok": False, "reason": "No worker has run on this host yet"}


CREATE = """mutation ($input: CreateMachineInputType!) { createMachine(input: $input) { id } }"""
INPUT = {
    "name": "m",
    "os": "UBUNTU",
    "username": "u",
    "password": "secret-1",
    "applications": [],
    "firstBootScripts": [],
}


async def test_an_unexpected_error_is_masked_and_found_by_its_reference(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.machines.error = KeyError("the secret inside")
    answer = await api.post(CREATE, {"input": INPUT})
    assert (answer.status_code, answer.json()["data"]) == (200, None)
    api.machines.error = KeyError("the secret inside")
    error = await api.refusal(CREATE, {"input": INPUT})
    assert error["message"] == "Something went wrong inside the server"
    assert error["code"] == "INTERNAL_SERVER_ERROR"
    logged = capsys.readouterr()
    assert error["reference"] in logged.out + logged.err
    assert "the secret inside" not in str(error)


async def test_a_known_error_keeps_its_sentence_and_code(api: Api) -> None:
    api.machines.error = DatabaseUnavailable()
    error = await api.refusal(CREATE, {"input": INPUT})
    assert error == {"message": "The database does not answer at present; try again.", "code": "UNAVAILABLE"}
    api.machines.error = HostFailure("No memory is left", remedy="Stop a machine")
    error = await api.refusal(CREATE, {"input": INPUT})
    assert (error["message"], error["remedy"]) == ("No memory is left", "Stop a machine")
    assert error["code"] == "INTERNAL_SERVER_ERROR"
    assert len(error["reference"]) == 32


async def test_a_numbered_answer_is_printed_as_the_interface_says(api: Api) -> None:
    made = await api.ask(
        """mutation ($input: CreateMachineInputType!) { createMachine(input: $input) {
             id createdAt cpuCores ramGB diskSizeGB configuration status failure { code } operation { id } } }""",
        {"input": INPUT},
        Role.ADMIN,
    )
    machine = made["createMachine"]
    assert machine.pop("id") in api.machines.known
    assert machine.pop("operation")["id"]
    assert machine == {
        "createdAt": "2026-01-31T12:00:00.123Z",
        "cpuCores": 2,
        "ramGB": 4,
        "diskSizeGB": 20,
        "configuration": None,
        "status": "building",
        "failure": None,
    }

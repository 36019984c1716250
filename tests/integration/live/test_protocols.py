"""The two protocols, and what malformed or immoderate clients get."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from infinibay.graphql.limits import LONGEST_TEXT
from infinibay.web.graphql_endpoint import LARGEST_BODY
from infinibay.web.graphql_socket import MOST_OPERATIONS
from tests.integration.live.stage import EVENTS, Stage
from tests.support.api import running_api
from tests.support.databases import base_directory, fresh_database
from tests.support.sockets import LEGACY, PROTOCOLS, TRANSPORT, opened, served

_ME = "{ currentUser { id } }"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ machines {", {}, "GRAPHQL_PARSE_FAILED"),
        ("", {}, "BAD_REQUEST"),
        ("{ machines { nope } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nope }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription ($id: ID!) { machineStatus(machineId: $id) { seq } }", {}, "BAD_USER_INPUT"),
        ("subscription ($seq: BigInt) { machineEvents(afterSeq: $seq) { seq } }", {"seq": "x"}, "BAD_USER_INPUT"),
        ('subscription { machineStatus(machineId: "a\\u0000b") { seq } }', {}, "BAD_USER_INPUT"),
        ("query A { __typename } query B { __typename }", {}, "OPERATION_RESOLUTION_FAILURE"),
        ("{ " + " ".join(f"a{n}: __typename" for n in range(40)) + " }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ " + "__typename " * 3000 + "}", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ __typename } #" + "x" * LONGEST_TEXT, {}, "GRAPHQL_PARSE_FAILED"),
        ("{ a: __schema { types { name } } b: __schema { types { name } } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ " + "currentUser { id email } " * 300 + "}", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { machineStatus { seq } machineEvents { seq } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_errors_have_the_codes_that_they_have_over_http(
    stage: Stage, protocol: str, query: str, variables: dict[str, Any], code: str
) -> None:
    async with stage.socket("admin", protocol) as socket:
        for _ in range(2):  # The second time the document comes from the cache.
            assert (await (await socket.start(query, variables)).refusal())["code"] == code
        assert (await (await socket.start(_ME)).next())["id"] == stage.product.users["admin"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "text", ["", "'; DROP TABLE events; --", "a\0b", "\ud800", "x" * 20_001, "-1", "9" * 30, 5, [], {}, True]
)
async def test_hostile_values_in_the_arguments_of_streams(stage: Stage, protocol: str, text: object) -> None:
    async with stage.socket("owner", protocol) as socket:
        for query in (
            "subscription ($x: ID) { machineStatus(machineId: $x) { seq } }",
            "subscription ($x: ID) { machineEvents(machineId: $x, afterSeq: 0) { seq } }",
            "subscription ($x: ID!) { operationProgress(operationId: $x) { id } }",
            "subscription ($x: BigInt) { machineEvents(afterSeq: $x) { seq } }",
        ):
            answer = await (await socket.start(query, {"x": text})).answer()
            codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
            # An empty id is as good as none, and every stream has events after -1.
            assert codes <= {"BAD_USER_INPUT", "NOT_FOUND"}
            assert codes or text in ("", "-1", 5), (query, answer)
        assert (await (await socket.start(_ME)).next())["id"] == stage.product.users["owner"]


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        "5",
        '{"id": "1"}',
        '{"type": 5}',
        '{"type": "nonsense"}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": ["1"], "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "operationName": {}}}',
        '{"type": "subscribe", "id": "' + "x" * 1000 + '", "payload": {"query": "{ __typename }"}}',
        '{"type": "' + "x" * 1000 + '"}',
        '{"type": "complete"}',
        '{"type": "complete", "id": ["1"]}',
        "[" * 10_000,
        b"{}",
    ],
)
async def test_a_malformed_message_closes_the_socket(stage: Stage, message: str | bytes) -> None:
    async with stage.socket("owner") as socket:
        await socket.send(message)
        assert await socket.closed() == 4400


@pytest.mark.parametrize("message", ["{", "5", '{"type": "start"}', '{"type": "start", "id": 1, "payload": {}}', b"{}"])
async def test_a_malformed_message_of_the_older_protocol(stage: Stage, message: str | bytes) -> None:
    async with stage.socket("owner", LEGACY) as socket:
        await socket.send(message)
        if message == "{":  # As the protocol has it, what is no JSON is passed over.
            assert (await (await socket.start(_ME)).next())["id"]
        else:
            assert await socket.closed() == (1002 if isinstance(message, bytes) else 4400)


async def test_the_order_that_the_protocol_demands(stage: Stage) -> None:
    async with opened(stage.product.url, TRANSPORT) as socket:
        await socket.start(_ME)
        assert await socket.closed() == 4401
    async with opened(stage.product.url, TRANSPORT) as socket:
        await socket.greet()
        await socket.send({"type": "connection_init"})
        assert await socket.closed() == 4429
    async with stage.socket("owner") as socket:
        for _ in range(2):
            await socket.send({"type": "subscribe", "id": "1", "payload": {"query": EVENTS}})
        assert await socket.closed() == 4409
    async with opened(stage.product.url, "graphql-nonsense") as socket:
        assert await socket.closed() == 4406
    async with stage.socket("owner") as socket:
        await socket.send({"type": "ping"})
        assert await socket.other() == {"type": "pong"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_message_is_as_large_as_a_body_may_be(stage: Stage, protocol: str) -> None:
    async with stage.socket("owner", protocol) as socket:
        await socket.send(json.dumps({"type": "ping", "payload": {"text": "x" * (LARGEST_BODY - 100)}}))
        assert (await (await socket.start(_ME)).next())["id"]
        await socket.send(json.dumps({"type": "ping", "payload": {"text": "x" * LARGEST_BODY}}))
        assert await socket.closed() == 1009


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_connection_has_a_limit_of_operations(stage: Stage, protocol: str) -> None:
    async with stage.socket("owner", protocol) as socket:
        streams = [await socket.start(EVENTS) for _ in range(MOST_OPERATIONS)]
        refusal = await (await socket.start(EVENTS)).refusal()
        assert refusal == {"message": "Subscription limit reached", "code": "TOO_MANY_REQUESTS"}
        await streams[0].stop()
        if protocol == LEGACY:
            await streams[0].end()
        assert (await (await socket.start(_ME)).next())["id"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_named_operation_runs(stage: Stage, protocol: str) -> None:
    kind = "subscribe" if protocol == TRANSPORT else "start"
    query = "query A { a: __typename } query B { b: __typename }"
    async with stage.socket("owner", protocol) as socket:
        for name in ("B", "C"):
            payload = {"query": query, "operationName": name}
            await socket.send({"type": kind, "id": name, "payload": payload})
        assert await socket.streams["B"].next() == "Query"
        assert (await socket.streams["C"].refusal())["code"] == "OPERATION_RESOLUTION_FAILURE"


async def test_each_operation_sees_the_present(stage: Stage) -> None:
    machine = await stage.machine()
    query = f'{{ machine(id: "{machine}") {{ name operation {{ kind }} }} }}'
    async with stage.socket("owner") as socket:
        assert (await (await socket.start(query)).next())["operation"] == {"kind": "create"}
        await stage.product.rows(
            "INSERT INTO operations (kind, host_id, machine_id, steps, state, ended_at)"
            " SELECT 'later', host_id, id, 0, 'SUCCEEDED', now() FROM machines WHERE id = %s::uuid RETURNING 1",
            machine,
        )
        assert (await (await socket.start(query)).next())["operation"] == {"kind": "later"}


async def test_another_origin_is_refused_unless_it_is_allowed(stage: Stage, postgres_url: str) -> None:
    await _refused(stage.product.url, "https://elsewhere.example")
    async with opened(stage.product.url, origin=stage.product.url) as socket:
        assert await socket.greet() == {"type": "connection_ack"}
    with base_directory() as base:
        async with (
            fresh_database(postgres_url) as database,
            running_api(database, base, origins=("https://a.example",)) as api,
            served(api.app) as url,
        ):
            async with opened(url, origin="https://a.example") as socket:
                assert await socket.greet() == {"type": "connection_ack"}
            await _refused(url, "https://b.example")


async def _refused(url: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(
            url.replace("http", "ws") + "/graphql",
            subprotocols=[Subprotocol(TRANSPORT)],
            origin=origin,  # type: ignore[arg-type]
        )
    assert refusal.value.response.status_code == 403

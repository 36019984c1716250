"""The nastiest names that are accepted, on real machines; and bodies that are no requests, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.guest_iso import build_guest_iso
from tests.support.product import Product
from tests.support.scale import count

NAMES = (
    "'; DROP TABLE machines; -- \" OR 1=1 /*",
    "<name a='1'>&amp; &#0;</name>]]><!-- <?x?> $(rm -rf /) `reboot`",
    "../../../etc/passwd%00 \\..\\ /dev/null | ; & > /tmp/x",
    "\u202eevil\u202c 🙂👩‍👩‍👧‍👦 e\u0301 漢字 \u200b\ufeff${HOME} {{7*7}} %s %n",
    "🙂" * 100,
    "-rf --help",
)
RENAME = "mutation R($input: UpdateMachineNameInput!) { updateMachineName(input: $input) { name status } }"
SEARCH = "query S($text: String) { machinesPage(filter: { search: $text }) { items { id name } total } }"
BY_NAME = "query N($name: String!) { findDepartmentByName(name: $name) { id name } }"
DEPARTMENT = "mutation D($name: String!) { createDepartment(name: $name) { id name } }"
REMOVE = "mutation X($id: String!) { destroyDepartment(id: $id) { name } }"
MOVE = "mutation M($id: String!, $to: String!) { moveMachine(id: $id, departmentId: $to) { department { name } } }"
_MB = 1024 * 1024


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    """One server for the module."""
    made = Product(build_guest_iso())
    try:
        await made.start()
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("name", NAMES[: count(3, len(NAMES))])
async def test_a_hostile_name_lives_through_everything_and_leaves_nothing(product: Product, name: str) -> None:
    created = await product.create(name)
    machine_id = created["id"]
    assert (await product.ended(created["operation"]["id"]))["state"] == "SUCCEEDED"
    machine = await product.machine(machine_id)
    assert (machine and machine["name"], machine and machine["status"]) == (name, "running")
    found = (await product.ask(SEARCH, {"text": name}))["machinesPage"]
    assert found == {"items": [{"id": machine_id, "name": name}], "total": 1}
    again = await product.post(RENAME, {"input": {"id": machine_id, "name": name}})
    assert again["data"]["updateMachineName"]["name"] == name

    # Nothing that a client wrote goes into the domain: its name and all paths derive from the machine's id.
    assert product.virsh("domname", machine_id) == machine_id
    assert name not in product.virsh("dumpxml", machine_id)
    assert "<title>" not in product.virsh("dumpxml", machine_id)

    department = (await product.ask(DEPARTMENT, {"name": name}))["createDepartment"]
    assert department["name"] == name
    assert (await product.ask(BY_NAME, {"name": name}))["findDepartmentByName"] == department
    moved = await product.ask(MOVE, {"id": machine_id, "to": department["id"]})
    assert moved["moveMachine"] == {"department": {"name": name}}

    renamed = f"{name[:90][::-1]} renamed"
    answer = await product.ask(RENAME, {"input": {"id": machine_id, "name": renamed}})
    assert answer["updateMachineName"] == {"name": renamed, "status": "running"}
    assert (await product.verb("destroyMachine", machine_id)) == {"success": True, "message": "Machine destroyed"}
    assert await product.machine(machine_id) is None
    assert product.leftovers(machine_id) == []
    assert (await product.ask(REMOVE, {"id": department["id"]}))["destroyDepartment"] == {"name": name}
    assert f"ibay-department-{department['id'].replace('-', '')}" not in product.virsh("nwfilter-list")


def _nested(levels: int) -> str:
    return "{ machines { operation " + "{ operation " * levels + "{ id }" + " }" * levels + " } }"


def _body(query: str, **more: Any) -> bytes:
    return json.dumps({"query": query, **more}).encode()


JSON_TYPE = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", JSON_TYPE, 400, "BAD_REQUEST"),
        (b"{", JSON_TYPE, 400, "BAD_REQUEST"),
        (b'{"query": "{ __typename }",}', JSON_TYPE, 400, "BAD_REQUEST"),
        (b"\xff\xfe\x00", JSON_TYPE, 400, "BAD_REQUEST"),
        (b"null", JSON_TYPE, 400, "BAD_REQUEST"),
        (b'{"query": null}', JSON_TYPE, 400, "BAD_REQUEST"),
        (b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0"}}}', JSON_TYPE, 400, "BAD_REQUEST"),
        (b"[" + _body("{ __typename }") + b"]", JSON_TYPE, 400, "BAD_REQUEST"),
        (b"{" * 200_000, JSON_TYPE, 400, "BAD_REQUEST"),
        (_body("{ __typename }", variables=[1]), JSON_TYPE, 400, "BAD_REQUEST"),
        (_body("{ __typename }"), {"content-type": "text/plain"}, 400, "BAD_REQUEST"),
        (_body("{ __typename }"), {}, 400, "BAD_REQUEST"),
        (b"query=%7B__typename%7D", {"content-type": "application/x-www-form-urlencoded"}, 400, "BAD_REQUEST"),
        (b"--x\r\n\r\n{}\r\n--x--", {"content-type": "multipart/form-data; boundary=x"}, 400, "BAD_REQUEST"),
        (b" " * (_MB + 1), JSON_TYPE, 413, "BAD_REQUEST"),
        (_body("{ machines { "), JSON_TYPE, 400, "GRAPHQL_PARSE_FAILED"),
        (_body("{" * 300), JSON_TYPE, 400, "GRAPHQL_PARSE_FAILED"),
        (_body("{ a(x: " + "[" * 900 + "]" * 900 + ") }"), JSON_TYPE, 400, "GRAPHQL_PARSE_FAILED"),
        (_body("{ " + "__typename " * 2001 + "}"), JSON_TYPE, 400, "GRAPHQL_PARSE_FAILED"),
        (_body(_nested(20)), JSON_TYPE, 400, "GRAPHQL_VALIDATION_FAILED"),
        (_body("{ " + " ".join(f"a{n}: __typename" for n in range(31)) + " }"), JSON_TYPE, 400, None),
        (_body("fragment A on Query { ...B } fragment B on Query { ...A } { ...A }"), JSON_TYPE, 400, None),
        (_body("{ ...Nothing }"), JSON_TYPE, 400, None),
        (
            _body("{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }"),
            {},
            400,
            None,
        ),
        (_body("subscription { machines }"), JSON_TYPE, 400, None),
        (_body("query A { __typename } query B { __typename }"), JSON_TYPE, 400, "OPERATION_RESOLUTION_FAILURE"),
        (_body("query A { __typename }", operationName="B"), JSON_TYPE, 400, "OPERATION_RESOLUTION_FAILURE"),
        (_body("query ($a: String!) { machine(id: $a) { id } }"), JSON_TYPE, 400, "BAD_USER_INPUT"),
    ],
)
async def test_a_body_that_is_no_request_gets_its_status(
    product: Product, content: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    assert product._client is not None
    answer = await product._client.post("/graphql", content=content, headers=headers)
    codes = [error["extensions"]["code"] for error in answer.json()["errors"]]
    assert answer.status_code == status
    assert set(codes) <= ({code} if code else {"GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST"})
    assert "data" not in answer.json()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_post_is_answered(product: Product, method: str) -> None:
    assert product._client is not None
    query = 'mutation { createDepartment(name: "by get") { id } }'
    answer = await product._client.request(method, "/graphql", params={"query": query})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert (await product.ask(BY_NAME, {"name": "by get"}))["findDepartmentByName"] is None


async def test_a_body_without_an_end_is_cut_off(product: Product) -> None:
    """A body in chunks tells no length, and one that lies about it gets no answer of a query."""
    assert product._client is not None

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    try:
        answer = await product._client.post("/graphql", content=endless(), headers=JSON_TYPE)
        assert answer.status_code == 413
    except httpx.WriteError:
        pass  # The server closed the connection before all was sent.
    url = product._client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -5\r\n\r\n{}")
    first = await reader.readline()
    writer.close()
    assert first.startswith(b"HTTP/1.1 400")
    assert (await product.get("/health/live")).status_code == 200

"""Clients as others wrote them: each logs in, makes a machine, watches it being made, and asks about it."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.support.guest_iso import build_guest_iso
from tests.support.product import CREATE, EMAIL, LOGIN, MACHINE, PASSWORD, SMALL, Product
from tests.support.programs import node, running
from tests.support.sockets import LEGACY, TRANSPORT

_DOCUMENTS = {
    "login": LOGIN,
    "create": CREATE,
    "machine": MACHINE,
    "progress": "subscription Progress($id: ID!) { operationProgress(operationId: $id) { id state } }",
    "events": 'subscription Events($id: ID) { machineEvents(machineId: $id, afterSeq: "0") { seq kind data } }',
}
_LOGGED = "query ($id: ID) { machineEvents(machineId: $id, afterSeq: 0, first: 100) { seq kind data } }"
_GQL = (sys.executable, "-m", "tests.support.clients.python_gql")


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    """One server for all clients."""
    made = Product(build_guest_iso())
    try:
        await made.start()
        made.departments = {one["id"] for one in (await made.ask("{ departments { id } }"))["departments"]}
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize(
    ("command", "protocol"),
    [
        pytest.param(node("tests/support/clients/graphql_ws.mjs"), TRANSPORT, id="graphql-ws"),
        pytest.param(node("tests/support/clients/apollo.mjs"), TRANSPORT, id="Apollo Client"),
        pytest.param(_GQL, TRANSPORT, id="gql"),
        pytest.param(_GQL, LEGACY, id="gql in the older protocol"),
    ],
)
async def test_a_client_makes_a_machine_and_watches_it(
    product: Product, command: tuple[str, ...], protocol: str
) -> None:
    address = f"{product.url}/graphql"
    plan = {
        "http": address,
        "socket": address.replace("http", "ws", 1),
        "protocols": [protocol],
        "credentials": {"email": EMAIL, "password": PASSWORD},
        "input": {**SMALL, "name": "made by a client"},
        "documents": _DOCUMENTS,
        "absent": str(uuid4()),
    }
    async with running(*command, json.dumps(plan)) as client:
        told = await client.told()

    assert told["states"][-1] == "SUCCEEDED"
    assert told["status"] == "running"
    assert told["events"] == await _until_running(product, told["id"])
    assert told["refusal"] == "NOT_FOUND"
    assert (await product.verb("destroyMachine", told["id"]))["success"] is True


async def _until_running(product: Product, machine_id: str) -> list[str]:
    """The numbers of the machine's events up to the one that says that it runs."""
    logged: list[dict[str, Any]] = (await product.ask(_LOGGED, {"id": machine_id}))["machineEvents"]
    running_at = [one["data"].get("status") for one in logged].index("running")
    return [one["seq"] for one in logged[: running_at + 1]]

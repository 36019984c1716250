"""Creations that fail, are cancelled, come twice, or are met by other verbs: what they say and what they leave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.product import CREATE, SMALL, Product
from tests.support.wait import until
from tests.system.life import events_of, serving

_NOTHING: dict[str, list[str]] = {"domains": [], "volumes": [], "directories": []}
_DESTROYED = {"success": True, "message": "Machine destroyed"}
_FAILED_CREATION = "The machine's creation failed: retry it or destroy it"
# Its metadata take seconds to write, which are the time for what meets the creation.
_LARGE_GB = 500
_RETRY = "mutation Retry($id: String!) { retryMachine(id: $id) { id status operation { id } } }"
_CANCEL = "mutation Cancel($id: ID!) { cancelOperation(id: $id) { id state } }"


class Network:
    """A network of libvirt's own, without addresses, that comes and goes."""

    def __init__(self, directory: Path) -> None:
        self.name = f"ibt-{uuid4().hex[:8]}"
        self._xml = directory / "network.xml"
        self._xml.write_text(f"<network><name>{self.name}</name><bridge name='{self.name}'/></network>")

    def make(self, product: Product) -> None:
        assert product.virsh("net-define", str(self._xml))
        assert product.virsh("net-start", self.name)

    def remove(self, product: Product) -> None:
        product.virsh("net-destroy", self.name)
        product.virsh("net-undefine", self.name)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """It does not exist until somebody makes it."""
    return Network(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
async def product(empty_medium: Path, network: Network) -> AsyncIterator[Product]:
    """One server for the module, with a network that exists; no guest of it needs to boot."""
    async with serving(empty_medium, LIBVIRT_NETWORK_NAME=network.name) as made:
        network.make(made)
        try:
            yield made
        finally:
            network.remove(made)


async def _failed(product: Product, network: Network, name: str) -> dict[str, Any]:
    """A machine whose creation failed in its last step, since its network went away; the network is back then."""
    network.remove(product)
    try:
        created = await product.create(name)
        assert (await product.ended(created["operation"]["id"]))["state"] == "FAILED"
    finally:
        network.make(product)
    return created


async def _refusal(product: Product, query: str, variables: dict[str, Any]) -> tuple[str, str]:
    """The code and the message of the one error that answers."""
    (error,) = (await product.post(query, variables))["errors"]
    return error["extensions"]["code"], error["message"]


async def _enters(product: Product, operation_id: str, step: str) -> None:
    """Waits until an operation is in a step."""
    query = "query Step($id: ID!) { operation(id: $id) { step } }"

    async def look() -> bool:
        return bool((await product.ask(query, {"id": operation_id}))["operation"]["step"] == step)

    await until(look, 60, f"the step {step}")


async def test_failed_creation_is_kept_with_its_reason_and_can_be_tried_again(
    product: Product, network: Network
) -> None:
    created = await _failed(product, network, "tried again")
    machine = await product.machine(created["id"])

    assert machine is not None
    assert (machine["status"], machine["configuration"]) == ("failed", None)
    failure = machine["failure"]
    assert failure["step"] == "start"
    assert network.name in failure["message"]
    assert failure["remedy"].startswith("Look at the host's resources")
    assert failure["log"] == [f"start: {failure['message']}"]
    assert product.leftovers(created["id"]) == []
    assert product.held() == _NOTHING
    events = await events_of(product, created["id"])
    statuses = [event["data"] for event in events if event["kind"] == "machine.status"]
    assert statuses == [{"status": "failed", "previous": "building", "reason": failure["message"]}]

    retried = (await product.ask(_RETRY, {"id": created["id"]}))["retryMachine"]
    assert (retried["id"], retried["status"]) == (created["id"], "building")
    assert retried["operation"]["id"] != created["operation"]["id"]
    assert (await product.ended(retried["operation"]["id"]))["state"] == "SUCCEEDED"
    machine = await product.machine(created["id"])
    assert machine is not None
    assert (machine["status"], machine["failure"]) == ("running", None)
    assert product.virsh("domstate", created["id"]) == "running"
    assert await _refusal(product, _RETRY, {"id": created["id"]}) == (
        "CONFLICT",
        "Only a failed creation can be tried again",
    )
    assert await product.verb("destroyMachine", created["id"]) == _DESTROYED
    assert product.leftovers(created["id"]) == []


async def test_failed_creation_has_nothing_to_drive_and_is_destroyed(product: Product, network: Network) -> None:
    created = await _failed(product, network, "destroyed")
    for verb in ("powerOn", "powerOff", "suspend", "resumeMachine", "restartMachine", "rebootMachine", "resetMachine"):
        assert await product.verb(verb, created["id"]) == {"success": False, "message": _FAILED_CREATION}
    assert await product.verb("forcePowerOff", created["id"]) == {"success": False, "message": _FAILED_CREATION}
    assert await product.verb("destroyMachine", created["id"]) == _DESTROYED
    assert await product.machine(created["id"]) is None
    assert await product.verb("destroyMachine", created["id"]) == {"success": False, "message": "Machine not found"}


async def test_without_keeping_a_failed_creation_goes_at_once(empty_medium: Path, network: Network) -> None:
    missing = f"{network.name}x"
    async with serving(empty_medium, LIBVIRT_NETWORK_NAME=missing, INFINIBAY_KEEP_FAILED="0") as product:
        created = await product.create("not kept")
        operation = await product.ended(created["operation"]["id"])
        assert (operation["state"], operation["failure"]["step"]) == ("FAILED", "start")
        assert missing in operation["failure"]["message"]
        assert (await product.ask("{ machines { id } }"))["machines"] == []
        assert product.leftovers(created["id"]) == []
        assert product.held() == _NOTHING
        events = await events_of(product, created["id"])
        assert [event["kind"] for event in events if event["kind"] != "operation.updated"] == [
            "machine.created",
            "machine.destroyed",
        ]


async def test_other_verbs_are_refused_while_it_is_made(product: Product) -> None:
    created = await product.create("busy", customStorage=_LARGE_GB)
    await _enters(product, created["operation"]["id"], "volume")
    busy = "The machine is busy: create is under way."
    for verb in ("powerOn", "powerOff", "suspend", "resumeMachine", "restartMachine", "rebootMachine", "resetMachine"):
        assert await product.verb(verb, created["id"]) == {"success": False, "message": busy}
    department = (await product.ask('mutation { createDepartment(name: "Busy") { id } }'))["createDepartment"]
    move = "mutation Move($id: String!, $to: String!) { moveMachine(id: $id, departmentId: $to) { id } }"
    assert await _refusal(product, move, {"id": created["id"], "to": department["id"]}) == ("CONFLICT", busy)
    assert (await product.machine(created["id"]) or {})["status"] == "building"

    assert (await product.ended(created["operation"]["id"]))["state"] == "SUCCEEDED"
    assert await product.verb("destroyMachine", created["id"]) == _DESTROYED


async def test_destroy_cancels_the_creation(product: Product) -> None:
    created = await product.create("unwanted", customStorage=_LARGE_GB)
    await _enters(product, created["operation"]["id"], "volume")
    assert await product.verb("destroyMachine", created["id"]) == _DESTROYED
    assert (await product.ended(created["operation"]["id"]))["state"] == "CANCELLED"
    assert await product.machine(created["id"]) is None
    assert product.leftovers(created["id"]) == []
    assert product.held() == _NOTHING


async def test_force_power_off_cancels_the_creation(product: Product) -> None:
    created = await product.create("switched off", customStorage=_LARGE_GB)
    await _enters(product, created["operation"]["id"], "volume")
    assert await product.verb("forcePowerOff", created["id"]) == {
        "success": True,
        "message": "Machine is already powered off",
    }
    assert (await product.ended(created["operation"]["id"]))["state"] == "CANCELLED"
    assert (await product.machine(created["id"]) or {})["status"] == "failed"
    assert product.held() == _NOTHING
    assert await product.verb("destroyMachine", created["id"]) == _DESTROYED


async def test_cancelled_creation_takes_everything_back(product: Product) -> None:
    created = await product.create("cancelled", customStorage=_LARGE_GB)
    await _enters(product, created["operation"]["id"], "volume")
    cancelled = (await product.ask(_CANCEL, {"id": created["operation"]["id"]}))["cancelOperation"]
    assert cancelled["state"] == "CANCELLING"
    operation = await product.ended(created["operation"]["id"])
    assert (operation["state"], operation["failure"]["step"]) == ("CANCELLED", "volume")
    assert product.leftovers(created["id"]) == []
    assert product.held() == _NOTHING
    assert await _refusal(product, _CANCEL, {"id": created["operation"]["id"]}) == (
        "CONFLICT",
        "The operation has ended already",
    )
    machine = await product.machine(created["id"])
    assert machine is not None
    assert (machine["status"], machine["failure"]["message"]) == ("failed", "The operation was cancelled.")
    assert await product.verb("destroyMachine", created["id"]) == _DESTROYED


async def test_same_key_is_the_same_machine(product: Product) -> None:
    first = await product.create("once", key="key of once")
    assert (await product.create("once", key="key of once"))["id"] == first["id"]
    other = {"input": {**SMALL, "name": "another"}, "key": "key of once"}
    assert (await _refusal(product, CREATE, other))[0] == "CONFLICT"
    assert [one["name"] for one in (await product.ask("{ machines { name } }"))["machines"]] == ["once"]
    assert (await product.ended(first["operation"]["id"]))["state"] == "SUCCEEDED"
    assert await product.verb("destroyMachine", first["id"]) == _DESTROYED
    assert product.held() == _NOTHING


async def test_every_wrong_field_is_named_at_once_and_nothing_is_made(product: Product) -> None:
    last = (await events_of(product, None))[-1]
    wrong = {**SMALL, "name": " ", "customCores": 0, "username": "root", "password": "", "os": "FEDORA"}
    (error,) = (await product.post(CREATE, {"input": wrong}))["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    named = {problem["field"] for problem in error["extensions"]["fields"]}
    assert named == {"name", "customCores", "username", "password", "os"}
    assert product.held() == _NOTHING
    assert (await events_of(product, None))[-1] == last


async def test_taken_name_is_named(product: Product) -> None:
    first = await product.create("Taken")
    (error,) = (await product.post(CREATE, {"input": {**SMALL, "name": "  TAKEN "}}))["errors"]
    (problem,) = error["extensions"]["fields"]
    assert (problem["field"], problem["code"]) == ("name", "CONFLICT")
    assert (await product.ended(first["operation"]["id"]))["state"] == "SUCCEEDED"
    assert await product.verb("destroyMachine", first["id"]) == _DESTROYED
    assert product.held() == _NOTHING

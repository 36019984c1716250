"""One real guest through its whole life, by the API alone: it boots, listens, rests, and is gone without a trace."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

import pytest
from lxml import etree

from tests.support.product import Product
from tests.support.wait import until
from tests.system.life import booted, boots, events_of, running_machine, serving, status_becomes

# After which the plug would be pulled; this module waits longer, for the boots of a crowded host.
_DEFAULT_POWER_OFF_SECONDS = 30


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    """One server for the module."""
    async with serving(INFINIBAY_POWER_OFF_SECONDS="110") as made:
        yield made


@pytest.fixture(scope="module")
async def guest(product: Product) -> str:
    """A machine whose guest has booted."""
    machine_id = await running_machine(product, "living")
    await booted(product, machine_id)
    return machine_id


async def _does(product: Product, verb: str, machine_id: str, message: str, arguments: str = "") -> None:
    assert await product.verb(verb, machine_id, arguments) == {"success": True, "message": message}


async def test_creation_tells_each_step_in_order(product: Product, guest: str) -> None:
    events = await events_of(product, guest)
    assert [event["kind"] for event in events[:2]] == ["machine.created", "operation.updated"]
    numbers = [int(event["seq"]) for event in events]
    assert numbers == sorted(set(numbers))
    told = [
        (event["data"]["state"], event["data"]["step"])
        for event in events
        if event["kind"] == "operation.updated" and event["data"]["kind"] == "create"
    ]
    steps = ["media", "volume", "filters", "define", "start"]
    assert told == [("QUEUED", None), *(("RUNNING", step) for step in steps), ("SUCCEEDED", "start")]
    statuses = [event["data"]["status"] for event in events if event["kind"] == "machine.status"]
    assert statuses[0] == "running"


async def test_the_agent_answers(product: Product, guest: str) -> None:
    def answer() -> str:
        return product.virsh("qemu-agent-command", guest, '{"execute": "guest-ping"}')

    assert json.loads(await until(answer, 60, "the guest agent")) == {"return": {}}


async def test_pause_and_resume(product: Product, guest: str) -> None:
    await _does(product, "suspend", guest, "Machine suspended")
    assert product.virsh("domstate", guest) == "paused"
    assert (await status_becomes(product, guest, "paused"))["id"] == guest
    await _does(product, "suspend", guest, "Machine is already suspended")
    await _does(product, "resumeMachine", guest, "Machine resumed")
    assert product.virsh("domstate", guest) == "running"
    await _does(product, "suspend", guest, "Machine suspended")
    await _does(product, "powerOn", guest, "Machine running")
    await status_becomes(product, guest, "running")
    await _does(product, "powerOn", guest, "Machine running")


async def test_the_guest_itself_restarts(product: Product, guest: str) -> None:
    before, domain = boots(product, guest), product.virsh("domid", guest)
    await _does(product, "rebootMachine", guest, "Machine rebooted")
    await booted(product, guest, before + 1)
    assert product.virsh("domid", guest) == domain


async def test_graphics_are_local_and_need_the_password(product: Product, guest: str) -> None:
    query = "query G($id: String!) { graphicConnection(id: $id) { link password protocol } }"
    told = (await product.ask(query, {"id": guest}))["graphicConnection"]
    graphics = etree.fromstring(product.virsh("dumpxml", guest, "--security-info")).find("devices/graphics")
    assert graphics is not None
    assert (graphics.get("type"), graphics.get("listen"), graphics.get("passwd")) == (
        "vnc",
        "127.0.0.1",
        told["password"],
    )
    assert told["link"].endswith(f":{graphics.get('port')}")
    assert (told["protocol"], len(told["password"])) == ("vnc", 8)
    assert product.secrets_in_log(told["password"], "secret password") == []


async def test_autostart(product: Product, guest: str) -> None:
    query = "mutation A($id: String!, $on: Boolean!) { setAutostart(id: $id, enabled: $on) { autostart } }"
    for enabled in (True, False):
        assert (await product.ask(query, {"id": guest, "on": enabled}))["setAutostart"] == {"autostart": enabled}
        assert (await product.ask(f'{{ machine(id: "{guest}") {{ autostart }} }}'))["machine"] == {"autostart": enabled}


async def test_a_new_name_leaves_the_guest_alone(product: Product, guest: str) -> None:
    name = 'a <new> & "other" name 🐧'
    query = "mutation N($input: UpdateMachineNameInput!) { updateMachineName(input: $input) { name status } }"
    answer = await product.ask(query, {"input": {"id": guest, "name": name}})
    assert answer["updateMachineName"] == {"name": name, "status": "running"}
    assert product.virsh("domstate", guest) == "running"


async def test_another_department_means_another_filter(product: Product, guest: str) -> None:
    made = (await product.ask('mutation { createDepartment(name: "Other") { id } }'))["createDepartment"]
    product.departments.add(made["id"])
    query = "mutation M($id: String!, $to: String!) { moveMachine(id: $id, departmentId: $to) { departmentId } }"
    assert (await product.ask(query, {"id": guest, "to": made["id"]}))["moveMachine"] == {"departmentId": made["id"]}
    own = f"ibay-vm-{guest.replace('-', '')}"
    wanted = f"ibay-department-{made['id'].replace('-', '')}"
    await until(
        lambda: wanted in product.virsh("nwfilter-dumpxml", own), 30, "the department's filter in the machine's"
    )
    assert own in product.virsh("dumpxml", guest)


async def test_hardware_and_commands_have_their_places(product: Product, guest: str) -> None:
    command = f'mutation {{ executeCommand(id: "{guest}", command: "ls") {{ success }} }}'
    answer = await product.post(command)
    assert answer["errors"][0]["extensions"]["code"] == "NOT_IMPLEMENTED"


async def test_a_restart_lets_the_guest_shut_down_first(product: Product, guest: str) -> None:
    before, domain = boots(product, guest), product.virsh("domid", guest)
    await _does(product, "restartMachine", guest, "Machine running")
    await booted(product, guest, before + 1)
    assert product.virsh("domid", guest) != domain


async def test_power_off_is_the_guests_own(product: Product, guest: str) -> None:
    began = time.monotonic()
    await _does(product, "powerOff", guest, "Machine powered off")
    assert time.monotonic() - began < _DEFAULT_POWER_OFF_SECONDS
    assert product.virsh("domstate", guest, "--reason") == "shut off (shutdown)"
    await status_becomes(product, guest, "stopped")
    await _does(product, "powerOff", guest, "Machine is already powered off")
    outcome = await product.verb("suspend", guest)
    assert outcome == {"success": False, "message": "Machine must be running to be suspended"}


async def test_power_off_right_after_a_reset_is_heard_once_the_guest_is_up(product: Product, guest: str) -> None:
    before = boots(product, guest)
    await _does(product, "powerOn", guest, "Machine running")
    domain = product.virsh("domid", guest)
    await _does(product, "resetMachine", guest, "Machine reset successfully")
    assert product.virsh("domid", guest) == domain
    await _does(product, "powerOff", guest, "Machine powered off")
    assert product.virsh("domstate", guest, "--reason") == "shut off (shutdown)"
    # A guest that powers off by itself has been up before.
    assert boots(product, guest) == before + 1
    await status_becomes(product, guest, "stopped")


async def test_lost_filters_are_back_at_the_start_and_the_plug_is_pulled_on_demand(
    product: Product, guest: str
) -> None:
    own = f"ibay-vm-{guest.replace('-', '')}"
    product.virsh("nwfilter-undefine", own)
    await _does(product, "powerOn", guest, "Machine running")
    assert own in product.virsh("nwfilter-list")
    await _does(product, "forcePowerOff", guest, "Machine forcefully powered off")
    assert product.virsh("domstate", guest, "--reason") == "shut off (destroyed)"
    await _does(product, "forcePowerOff", guest, "Machine is already powered off")


async def test_nothing_is_left_of_it(product: Product, guest: str) -> None:
    await _does(product, "destroyMachine", guest, "Machine destroyed")
    assert await product.machine(guest) is None
    assert product.leftovers(guest) == []
    assert product.held() == {"domains": [], "volumes": [], "directories": []}
    events = await events_of(product, guest)
    assert [event["kind"] for event in events if event["kind"].startswith("machine.")][-1] == "machine.destroyed"
    assert await product.verb("destroyMachine", guest) == {"success": False, "message": "Machine not found"}

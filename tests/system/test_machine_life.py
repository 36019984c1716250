"""A machine's life that needs no guest which boots: plan, creation, changes, power without an answer, and its end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lxml import etree

from infinibay.core import naming
from infinibay.db.embedded import EmbeddedPostgres
from tests.support.databases import settings_below
from tests.support.guest_iso import build_guest_iso
from tests.support.iso_layouts import windows11_iso
from tests.support.product import CREATE, SMALL, Product
from tests.support.wait import until
from tests.system.life import events_of, running_machine, serving, status_becomes

_STEPS = ["media", "volume", "filters", "define", "start"]
_PLAN = """
query Plan($input: CreateMachineInputType!) {
  planMachine(input: $input) {
    valid problems { field code message } cpuCores ramGB diskSizeGB diskPath network filters firmware domainType
    medium steps xml
  }
}
"""
_CREATION = """
query Creation($id: String!) {
  machine(id: $id) {
    status operation { kind state step stepNumber steps percent requestedBy startedAt endedAt failure { message } }
  }
}
"""
_ASSIGN = """
mutation Assign($input: UpdateMachineUserInput!) { updateMachineUser(input: $input) { userId user { email } } }
"""
_HARDWARE = (
    "mutation Hardware($input: UpdateMachineHardwareInput!) { updateMachineHardware(input: $input) { cpuCores } }"
)
_AUTOSTART = "mutation Start($id: String!, $on: Boolean!) { setAutostart(id: $id, enabled: $on) { autostart } }"
_DESTROYED = {"success": True, "message": "Machine destroyed"}
# Removed with the machine they belong to.
_OF_MACHINES = ("machines", "machine_configurations", "machine_disks", "machine_applications", "secrets")
# What changes without any request, or with every one: the worker's sign of life, the audit trail, logins.
_UNSTEADY = {"hosts", "audit_entries", "sessions", "users"}


@pytest.fixture(scope="module")
async def product(empty_medium: Path) -> AsyncIterator[Product]:
    """One server for the module, with SPICE; no guest of it needs to boot."""
    async with serving(empty_medium, INFINIBAY_POWER_OFF_SECONDS="2", GRAPHIC_PROTOCOL="spice") as made:
        yield made


@pytest.fixture(scope="module")
async def machine(product: Product) -> str:
    """A running machine; each test leaves it so."""
    return await running_machine(product, "resting")


async def _rows(product: Product, statement: str) -> list[Any]:
    url = EmbeddedPostgres.of(settings_below(product.base)).url
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []


async def _fingerprint(product: Product) -> dict[str, str]:
    """What each table holds."""
    found = await _rows(product, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = sorted({name for (name,) in found} - _UNSTEADY)
    return {
        name: (await _rows(product, f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {name} t"))[0][0]
        for name in names
    }


async def _refusal(product: Product, query: str, variables: dict[str, Any]) -> tuple[str, str]:
    """The code and the message of the one error that answers."""
    (error,) = (await product.post(query, variables))["errors"]
    return error["extensions"]["code"], error["message"]


def _existing(*paths: Path) -> list[Path]:
    return [path for path in paths if path.exists()]


async def test_plan_tells_what_would_be_and_writes_nothing(product: Product) -> None:
    await product.knows_its_media()
    before = (await _fingerprint(product), product.held(), product.virsh("nwfilter-list"), product.virsh("list"))
    plan = (await product.ask(_PLAN, {"input": {**SMALL, "name": "planned"}}))["planMachine"]
    after = (await _fingerprint(product), product.held(), product.virsh("nwfilter-list"), product.virsh("list"))

    assert after[:2] == before[:2]
    ((department,),) = await _rows(product, "SELECT id::text FROM departments WHERE name = 'Default'")
    document = etree.fromstring(plan.pop("xml"))
    machine_id = str(document.findtext("uuid"))
    assert plan == {
        "valid": True,
        "problems": [],
        "cpuCores": 1,
        "ramGB": 1,
        "diskSizeGB": 1,
        "diskPath": f"{product.base}/disks/{machine_id}-main.qcow2",
        "network": "default",
        "filters": [naming.department_filter(department), naming.machine_filter(machine_id)],
        "firmware": "efi",
        "domainType": "qemu",
        "medium": f"{product.base}/iso/ubuntu.iso",
        "steps": _STEPS,
    }
    assert (document.get("type"), document.findtext("name")) == ("qemu", machine_id)
    assert all(machine_id not in text for text in (after[2], after[3]))


async def test_plan_names_every_problem(product: Product) -> None:
    wrong = {**SMALL, "name": "", "os": "FEDORA", "customRam": 100_000}
    plan = (await product.ask(_PLAN, {"input": wrong}))["planMachine"]
    assert plan["valid"] is False
    assert {problem["field"] for problem in plan["problems"]} == {"name", "os", "customRam"}


async def test_creation_tells_its_steps_and_ends_with_a_hundred_percent(product: Product, machine: str) -> None:
    shown = (await product.ask(_CREATION, {"id": machine}))["machine"]
    operation = shown["operation"]
    ((user,),) = await _rows(product, "SELECT id::text FROM users")
    assert operation["startedAt"] < operation["endedAt"]
    assert {key: operation[key] for key in operation if not key.endswith("At")} == {
        "kind": "create",
        "state": "SUCCEEDED",
        "step": "start",
        "stepNumber": 5,
        "steps": 5,
        "percent": 100,
        "requestedBy": user,
        "failure": None,
    }
    told = [event["data"] for event in await events_of(product, machine) if event["kind"] == "operation.updated"]
    assert [(one["stepNumber"], one["step"], one["percent"]) for one in told] == [
        (None, None, None),
        *((number, step, None) for number, step in enumerate(_STEPS, 1)),
        (5, "start", 100),
    ]
    elapsed = [one["elapsed"] for one in told[1:]]
    assert elapsed == sorted(elapsed)


async def test_spice_is_local_and_has_the_password_that_is_told(product: Product, machine: str) -> None:
    query = f'{{ graphicConnection(id: "{machine}") {{ link password protocol }} }}'
    told = (await product.ask(query))["graphicConnection"]
    document = etree.fromstring(product.virsh("dumpxml", machine, "--security-info"))
    (graphics,) = document.iterfind("devices/graphics")
    assert (graphics.get("type"), graphics.get("passwd")) == ("spice", told["password"])
    assert [listen.get("address") for listen in graphics.iterfind("listen")] == ["127.0.0.1"]
    assert told["link"] == f"spice://localhost:{graphics.get('port')}"
    assert re.fullmatch(r"\S{8}", told["password"])
    assert document.find("devices/channel[@type='spicevmc']/target[@name='com.redhat.spice.0']") is not None
    shown = await product.machine(machine)
    assert shown is not None
    assert shown["configuration"] == {"graphic": told["link"]}
    assert told["password"] not in str(await events_of(product, None))
    assert product.secrets_in_log(told["password"]) == []


async def test_guest_that_does_not_listen_keeps_or_loses_its_power(product: Product, machine: str) -> None:
    assert await product.verb("powerOff", machine, ", force: false") == {
        "success": False,
        "message": "The guest did not power off in time; it runs on",
    }
    assert product.virsh("domstate", machine) == "running"
    assert (await product.machine(machine) or {})["status"] == "running"
    cut = "The guest did not power off in time; its power was cut"
    assert await product.verb("restartMachine", machine) == {"success": True, "message": f"{cut}. Machine running"}
    assert await product.verb("rebootMachine", machine) == {
        "success": True,
        "message": "The guest did not restart in time; it was reset",
    }
    assert await product.verb("powerOff", machine) == {"success": True, "message": cut}
    assert product.virsh("domstate", machine, "--reason") == "shut off (destroyed)"
    await status_becomes(product, machine, "stopped")
    assert await product.verb("restartMachine", machine) == {"success": True, "message": "Machine running"}
    await status_becomes(product, machine, "running")


async def test_owner_is_given_and_taken_away(product: Product, machine: str) -> None:
    user = (await product.ask("{ currentUser { id email } }"))["currentUser"]
    taken = (await product.ask(_ASSIGN, {"input": {"id": machine}}))["updateMachineUser"]
    assert taken == {"userId": None, "user": None}
    given = (await product.ask(_ASSIGN, {"input": {"id": machine, "userId": user["id"]}}))["updateMachineUser"]
    assert given == {"userId": user["id"], "user": {"email": user["email"]}}
    told = [event["data"] for event in await events_of(product, machine) if event["kind"] == "machine.updated"]
    assert told == [{"userId": None}, {"userId": user["id"]}]
    code, _ = await _refusal(product, _ASSIGN, {"input": {"id": machine, "userId": machine}})
    assert code == "BAD_USER_INPUT"


async def test_hardware_answers_by_its_type(product: Product, machine: str) -> None:
    same = await product.ask(_HARDWARE, {"input": {"id": machine, "cpuCores": 1}})
    assert same["updateMachineHardware"] == {"cpuCores": 1}
    assert (await _refusal(product, _HARDWARE, {"input": {"id": machine, "cpuCores": 2}}))[0] == "NOT_IMPLEMENTED"
    assert (await _refusal(product, _HARDWARE, {"input": {"id": machine, "cpuCores": 0}}))[0] == "BAD_USER_INPUT"


async def test_marked_machine_starts_after_the_restart_of_the_host(product: Product, machine: str) -> None:
    """libvirt's own mark stays off: filters must be in place before a start."""
    other = await running_machine(product, "not marked")
    assert (await product.ask(_AUTOSTART, {"id": machine, "on": True}))["setAutostart"] == {"autostart": True}
    assert "Autostart:      disable" in product.virsh("dominfo", machine)
    await _rows(product, "UPDATE hosts SET boot_id = 'the boot before'")
    await product.kill()
    for one in (machine, other):
        assert product.virsh("destroy", one)
    product.virsh("nwfilter-undefine", naming.machine_filter(machine))
    await product.start()

    async def started() -> bool:
        page = f'{{ operations(filter: {{machineId: "{machine}", kind: "power_on"}}) {{ items {{ state }} }} }}'
        return bool((await product.ask(page))["operations"]["items"] == [{"state": "SUCCEEDED"}])

    await until(started, 60, "the start of the marked machine")
    await status_becomes(product, machine, "running")
    await status_becomes(product, other, "stopped")
    assert naming.machine_filter(machine) in product.virsh("nwfilter-list")
    assert (await product.ask(_AUTOSTART, {"id": machine, "on": False}))["setAutostart"] == {"autostart": False}
    assert await product.verb("destroyMachine", other) == _DESTROYED


async def test_windows_11_has_its_tpm_and_secure_boot_and_leaves_neither_behind(product: Product) -> None:
    refused = await product.post(CREATE, {"input": {**SMALL, "name": "win", "os": "WINDOWS11"}})
    assert {one["field"] for one in refused["errors"][0]["extensions"]["fields"]} == {
        "os",
        "customRam",
        "customStorage",
    }
    windows11_iso(product.base / "iso" / "windows11.iso")
    windows = await running_machine(product, "win", os="WINDOWS11", customRam=4, customStorage=64)

    assert product.virsh("domstate", windows) == "running"
    document = etree.fromstring(product.virsh("dumpxml", windows))
    (backend,) = document.iterfind("devices/tpm/backend")
    assert (backend.get("type"), backend.get("version")) == ("emulator", "2.0")
    (loader,) = document.iterfind("os/loader")
    assert (loader.get("secure"), loader.get("type")) == ("yes", "pflash")
    nvram, state = Path(str(document.findtext("os/nvram"))), Path("/var/lib/libvirt/swtpm") / windows
    assert nvram == product.base / "machines" / windows / "nvram.fd"
    assert _existing(nvram, state) == [nvram, state]
    assert await product.verb("destroyMachine", windows) == _DESTROYED
    assert _existing(nvram, state) == []
    assert product.leftovers(windows) == []


async def test_nothing_is_left_of_all_of_them(product: Product, machine: str) -> None:
    assert await product.verb("destroyMachine", machine) == _DESTROYED
    assert product.leftovers(machine) == []
    assert product.held() == {"domains": [], "volumes": [], "directories": []}
    counted = {table: (await _rows(product, f"SELECT count(*) FROM {table}"))[0][0] for table in _OF_MACHINES}
    assert counted == dict.fromkeys(_OF_MACHINES, 0)
    assert await _rows(product, "SELECT id FROM rule_sets WHERE machine_id IS NOT NULL") == []
    assert (await events_of(product, machine))[-1]["kind"] == "operation.updated"
    kinds = [one["kind"] for one in await events_of(product, machine) if one["kind"] != "operation.updated"]
    assert kinds[-1] == "machine.destroyed"


async def test_a_machine_is_driven_as_soon_as_it_says_that_it_runs() -> None:
    made = Product(build_guest_iso())
    try:
        await made.start(fault="create:ended:after:hold")
        created = await made.create("just made")
        await status_becomes(made, created["id"], "running")

        suspension = asyncio.create_task(made.verb("suspend", created["id"]))
        await until(partial(_queued, made, created["id"]), 30, "the verb's turn")
        (made.base / "go").touch()

        assert await suspension == {"success": True, "message": "Machine suspended"}
        assert (await made.ended(created["operation"]["id"]))["state"] == "SUCCEEDED"
    finally:
        await made.close()


async def _queued(product: Product, machine_id: str) -> bool:
    page = f'{{ operations(filter: {{machineId: "{machine_id}", kind: "suspend"}}) {{ items {{ state }} }} }}'
    return bool((await product.ask(page))["operations"]["items"])

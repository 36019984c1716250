"""Applications and scripts of a new machine: checked before anything is created, sealed, and made into work."""

from __future__ import annotations

import subprocess
from typing import Any
from uuid import uuid4

import pytest

from infinibay.db import installations, machines
from infinibay.db.client import Database
from infinibay.errors import BadUserInput
from infinibay.secrets import open_vault
from infinibay.services.machines.answers import kept_installation
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.unattended.factory import create_unattended_manager
from infinibay.unattended.installation import Installation
from tests.support.whole import Whole, machine_input

_CREATE = "mutation ($input: CreateMachineInputType!) { createMachine(input: $input) { id } }"
_PLAN = "query ($input: CreateMachineInputType!) { planMachine(input: $input) { valid problems { field message } } }"
_RETRY = "mutation ($id: String!, $password: String) { retryMachine(id: $id, password: $password) { id status } }"
_APPLICATION = "mutation ($input: CreateApplicationInputType!) { createApplication(input: $input) { id } }"
_CHANGE = """mutation ($id: String!, $input: CreateApplicationInputType!) {
  updateApplication(id: $id, input: $input) { id } }"""
_SCRIPT = "mutation ($input: CreateScriptInput!) { createScript(input: $input) { script { id } } }"
_CHANGE_SCRIPT = "mutation ($input: UpdateScriptInput!) { updateScript(input: $input) { success } }"
_HOSTILE = 'it\'s "$(touch /tmp/x)" `id`\n; exit 1 # {{channel}} ${{ inputs.count }} é🙂'
_CONTENT = """
shell: python3
inputs:
  - {name: who, required: true}
  - {name: count, type: number, default: 2}
  - {name: key, type: password}
script: |
  import sys
  sys.stdout.buffer.write((${{ inputs.who }} * int(${{ inputs.count }})).encode())
"""


def application(**changes: Any) -> dict[str, Any]:
    return {
        "name": f"Application {uuid4()}",
        "os": ["ubuntu", "windows"],
        "installCommand": {
            "ubuntu": ["printf '%s' {{token}}", "printf '%s' \"{{channel}}\""],
            "windows": "x {{token}}",
        },
        "parameters": {"token": {"type": "password", "required": True}, "channel": "stable"},
        **changes,
    }


async def an_application(product: Whole, **changes: Any) -> str:
    made = await product.ask(_APPLICATION, {"input": application(**changes)})
    return str(made["createApplication"]["id"])


async def a_script(product: Whole, content: str = _CONTENT) -> str:
    wanted = {"name": f"Script {uuid4()}", "format": "YAML", "content": content}
    return str((await product.ask(_SCRIPT, {"input": wanted}))["createScript"]["script"]["id"])


def database(product: Whole) -> Database:
    return product.services.applications._database


async def work(product: Whole, machine_id: str) -> Installation:
    """What the machine's medium says, which can be written."""
    db = database(product)
    secrets = MachineSecrets(open_vault(product.settings.key_file))
    machine, row = await machines.find(db, machine_id), await installations.find(db, machine_id)
    assert machine is not None
    assert row is not None
    installation = await kept_installation(db, secrets, machine, row, "ubuntu.iso", None)
    assert create_unattended_manager(machine.os).files(installation)
    return installation


def output(interpreter: str, text: str) -> str:
    return subprocess.run([interpreter, "-c", text], capture_output=True, check=True).stdout.decode()


async def test_the_work_of_a_machine_has_its_values(product: Whole) -> None:
    plain = await an_application(product, installCommand={"ubuntu": "true"}, os=["ubuntu"], parameters={})
    asking = await an_application(product)
    scripts = [await a_script(product), await a_script(product, "shell: sh\nscript: date"), await a_script(product)]
    made = await product.machine(
        applications=[
            {"applicationId": asking.upper(), "parameters": {"token": _HOSTILE}},
            {"applicationId": plain},
        ],
        firstBootScripts=[
            {"scriptId": scripts[0], "inputValues": {"who": _HOSTILE}},
            {"scriptId": scripts[1], "inputValues": {}},
            {"scriptId": scripts[2], "inputValues": {"who": "x", "count": 3}},
        ],
    )
    found = await work(product, made["id"])
    commands = {one.id: one.commands for one in found.applications}
    assert commands.keys() == {plain, asking}
    assert commands[plain] == ("true",)
    assert [output("sh", command) for command in commands[asking]] == [_HOSTILE, "stable"]
    assert [(one.id, one.interpreter) for one in found.scripts] == [
        (scripts[0], "python3"),
        (scripts[1], "sh"),
        (scripts[2], "python3"),
    ]
    assert [output("python3", found.scripts[n].body) for n in (0, 2)] == [_HOSTILE * 2, "xxx"]
    assert found.scripts[1].body == "date"


async def test_values_lie_in_no_plain_row_and_no_log(product: Whole) -> None:
    mark = f"hunter2-{uuid4()}"
    made = await product.machine(
        applications=[{"applicationId": await an_application(product), "parameters": {"token": mark}}],
        firstBootScripts=[{"scriptId": await a_script(product), "inputValues": {"who": mark, "key": mark}}],
    )
    wrong = {"applicationId": await an_application(product), "parameters": {"token": mark, "channel": [mark]}}
    answer = await product.post(
        _CREATE, {"input": {**machine_input(), "applications": [wrong]}}, product.tokens["first"]
    )
    assert mark not in answer.text
    tables = [name for (name,) in await product.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    holding = [
        name for name in tables if await product.rows(f'SELECT 1 FROM "{name}" t WHERE t::text LIKE %s', f"%{mark}%")
    ]
    assert holding == []
    assert mark not in (product.settings.infinibay_base_dir / "server.log").read_text()
    assert mark in (await work(product, made["id"])).applications[0].commands[0]


async def test_what_does_not_fit_is_refused_before_anything_is_created(product: Whole) -> None:
    asking, script = await an_application(product), await a_script(product)
    elsewhere = await an_application(product, os=["windows"], installCommand={"windows": "x"}, parameters={})
    windows = await a_script(product, "shell: cmd\nscript: dir")
    ((name, script_name, elsewhere_name, windows_name),) = await product.rows(
        "SELECT (SELECT name FROM applications WHERE id = %s::uuid), (SELECT name FROM scripts WHERE id = %s::uuid),"
        " (SELECT name FROM applications WHERE id = %s::uuid), (SELECT name FROM scripts WHERE id = %s::uuid)",
        asking,
        script,
        elsewhere,
        windows,
    )
    token = {"applicationId": asking, "parameters": {"token": "t"}}
    who = {"scriptId": script, "inputValues": {"who": "w"}}
    absent = str(uuid4())
    cases = [
        ("applications", [{"applicationId": absent}], f"There is no application '{absent}'"),
        ("applications", [{"applicationId": "x"}], "There is no application 'x'"),
        ("applications", [token, {**token, "applicationId": asking.upper()}], "The same application is named twice"),
        ("applications", [{"applicationId": elsewhere}], f"{elsewhere_name} can't be installed on Ubuntu"),
        ("applications", [{"applicationId": asking}], f"{name}: token must be given"),
        (
            "applications",
            [{**token, "parameters": {"token": "t", "colour": "red"}}],
            f"{name}: there is no 'colour' to give",
        ),
        ("applications", [{**token, "parameters": {"token": 5}}], f"{name}: token must be a text"),
        ("firstBootScripts", [{"scriptId": absent, "inputValues": {}}], f"There is no script '{absent}'"),
        ("firstBootScripts", [who, who], "The same script is named twice"),
        ("firstBootScripts", [{"scriptId": script, "inputValues": {}}], f"{script_name}: who must be given"),
        (
            "firstBootScripts",
            [{"scriptId": script, "inputValues": {"who": "w", "count": "3"}}],
            f"{script_name}: count must be a number of at most 9007199254740992",
        ),
        (
            "firstBootScripts",
            [{"scriptId": windows, "inputValues": {}}],
            f"{windows_name} is written in cmd, which Ubuntu does not have",
        ),
    ]
    before = await product.state()
    for field, chosen, message in cases:
        wanted = {"input": {**machine_input(), field: chosen}}
        plan = (await product.ask(_PLAN, wanted))["planMachine"]
        assert plan == {"valid": False, "problems": [{"field": field, "message": message}]}
        answer = (await product.post(_CREATE, wanted, product.tokens["first"])).json()
        (error,) = answer["errors"]
        assert (error["extensions"]["code"], error["message"]) == ("BAD_USER_INPUT", message)
    assert await product.state() == before


async def test_a_machine_that_is_installed_by_hand_gets_none(product: Whole) -> None:
    chosen = {
        "applications": [{"applicationId": await an_application(product), "parameters": {"token": "t"}}],
        "firstBootScripts": [{"scriptId": await a_script(product), "inputValues": {"who": "w"}}],
    }
    wanted = {"input": {**machine_input(), **chosen, "mediaMode": "MANUAL"}}
    message = "An installer that is answered by hand leaves nothing for the first boot"
    assert (await product.ask(_PLAN, wanted))["planMachine"]["problems"] == [
        {"field": field, "message": message} for field in chosen
    ]


async def test_a_machine_gets_fifty_of_each_at_most(product: Whole) -> None:
    many = [{"applicationId": str(uuid4())} for _ in range(51)]
    plan = (await product.ask(_PLAN, {"input": {**machine_input(), "applications": many}}))["planMachine"]
    assert plan["problems"][-1]["message"] == "A machine gets at most 50 of them, not 51"


async def test_a_retry_has_the_same_values(product: Whole) -> None:
    script, chosen = await a_script(product), await an_application(product)
    made = await product.machine(
        applications=[{"applicationId": chosen, "parameters": {"token": "first"}}],
        firstBootScripts=[{"scriptId": script, "inputValues": {"who": "first"}}],
    )
    before = await work(product, made["id"])
    await product.ask(_RETRY, {"id": made["id"], "password": "another password"})
    await product.settled()
    after = await work(product, made["id"])
    assert (after.applications, after.scripts) == (before.applications, before.scripts)


@pytest.mark.parametrize("password", ["a\nb", "x" * 129, "x" * 600])
async def test_a_retry_takes_no_password_that_a_creation_would_not(product: Whole, password: str) -> None:
    made = await product.machine()
    before = await product.state()
    variables = {"id": made["id"], "password": password}
    (error,) = (await product.post(_RETRY, variables, product.tokens["first"])).json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [problem["field"] for problem in error["extensions"]["fields"]] == ["password"]
    assert await product.state() == before


async def test_a_retry_without_the_values_is_refused(product: Whole) -> None:
    asking = await product.machine(
        applications=[{"applicationId": await an_application(product), "parameters": {"token": "t"}}]
    )
    plain = await product.machine(
        firstBootScripts=[{"scriptId": await a_script(product, "shell: sh\nscript: date"), "inputValues": {}}]
    )
    await product.rows("UPDATE secrets SET expires_at = now() WHERE purpose = 'installation' RETURNING 1")
    variables = {"id": asking["id"], "password": "another password"}
    (error,) = (await product.post(_RETRY, variables, product.tokens["first"])).json()["errors"]
    assert (error["extensions"]["code"], error["extensions"]["fields"][0]["field"]) == (
        "BAD_USER_INPUT",
        "applications",
    )
    assert error["message"].endswith(": token must be given")
    await product.ask(_RETRY, {**variables, "id": plain["id"]})
    await product.settled()


async def test_what_was_changed_meanwhile_is_made_only_if_the_values_fit(product: Whole) -> None:
    script, chosen = await a_script(product), await an_application(product)
    made = await product.machine(
        applications=[{"applicationId": chosen, "parameters": {"token": "t"}}],
        firstBootScripts=[{"scriptId": script, "inputValues": {"who": "w"}}],
    )
    other = application(installCommand={"ubuntu": "echo {{token}}", "windows": "x"})
    await product.ask(_CHANGE, {"id": chosen, "input": other})
    assert output("sh", (await work(product, made["id"])).applications[0].commands[0]) == "t\n"
    for wrong in (
        application(parameters={"token": 5}, installCommand={"ubuntu": "x", "windows": "x"}),
        application(os=["fedora"], installCommand={"fedora": "x"}),
    ):
        await product.ask(_CHANGE, {"id": chosen, "input": wrong})
        with pytest.raises(BadUserInput):
            await work(product, made["id"])
    await product.ask(_CHANGE, {"id": chosen, "input": application()})
    await product.ask(_CHANGE_SCRIPT, {"input": {"id": script, "content": _CONTENT.replace("who", "whom")}})
    with pytest.raises(BadUserInput) as refusal:
        await work(product, made["id"])
    assert {problem.field for problem in refusal.value.problems} == {"firstBootScripts"}

"""Scripts through the API, against a real database."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.access import Role
from tests.support.api import Api
from tests.unit.graphql.test_templates import machine_of

INPUT_FIELDS = "name label type description required default options { label value } validation"
FIELDS = f"""id name fileName description category tags os shell content hasInputs inputCount
  parsedInputs {{ {INPUT_FIELDS} }} executionCount departmentCount createdBy {{ email }} createdAt updatedAt"""
ANSWER = f"success message error script {{ {FIELDS} }}"
CREATE = f"mutation ($input: CreateScriptInput!) {{ createScript(input: $input) {{ {ANSWER} }} }}"
UPDATE = f"mutation ($input: UpdateScriptInput!) {{ updateScript(input: $input) {{ {ANSWER} }} }}"
DELETE = f"""mutation ($id: ID!, $force: Boolean, $key: String) {{
  deleteScript(id: $id, force: $force, idempotencyKey: $key) {{ {ANSWER} }} }}"""
ONE = f"query ($id: ID!) {{ script(id: $id) {{ {FIELDS} }} }}"
LIST = "query ($filters: ScriptFiltersInput) { scripts(filters: $filters) { id name } }"
CONTENT = """
shell: powershell
inputs:
  - {name: path, label: Folder, required: true, validation: {max: 200}}
  - {name: size, type: number, default: 5}
  - {name: mode, type: select, options: [{value: a, label: A}, {value: b}], default: b}
script: New-Item ${{ inputs.path }}
"""
PLAIN = "shell: sh\nscript: date"


def script(**changes: Any) -> dict[str, Any]:
    return {"name": f"Script {uuid4()}", "format": "YAML", "content": CONTENT, **changes}


async def made(api: Api, **changes: Any) -> dict[str, Any]:
    answer = (await api.ask(CREATE, {"input": script(**changes)}))["createScript"]
    assert (answer["success"], answer["error"]) == (True, None)
    created: dict[str, Any] = answer["script"]
    return created


async def chosen(api: Api, script_id: str, *, installed: bool) -> str:
    """A machine with the script; until it is installed it keeps its secret."""
    name = await machine_of(api.database, None)
    machine = await api.database.machine.find_first(where={"name": name})
    assert machine is not None
    await api.database.machinescript.create(data={"machineId": machine.id, "scriptId": script_id, "position": 0})
    if not installed:
        sealed = {"machineId": machine.id, "purpose": "installation", "sealed": "x"}
        await api.database.secret.create(data=sealed)  # type: ignore[arg-type]
    return machine.id


async def test_a_script_is_made_and_read(api: Api) -> None:
    created = await made(api, name=" Folder ", description=" Makes\none ", category="Files", tags=["a", "b", "a"])
    assert created == {
        "id": created["id"],
        "name": "Folder",
        "fileName": f"{created['id']}.yaml",
        "description": "Makes\none",
        "category": "Files",
        "tags": ["a", "b"],
        "os": ["WINDOWS"],
        "shell": "POWERSHELL",
        "content": CONTENT,
        "hasInputs": True,
        "inputCount": 3,
        "parsedInputs": created["parsedInputs"],
        "executionCount": 0,
        "departmentCount": 0,
        "createdBy": {"email": "super_admin@example.com"},
        "createdAt": created["createdAt"],
        "updatedAt": created["updatedAt"],
    }
    nothing = {"description": None, "required": False, "default": None, "options": None, "validation": None}
    options = [{"label": "A", "value": "a"}, {"label": "b", "value": "b"}]
    assert created["parsedInputs"] == [
        {**nothing, "name": "path", "label": "Folder", "type": "text", "required": True, "validation": {"max": 200}},
        {**nothing, "name": "size", "label": "size", "type": "number", "default": 5},
        {**nothing, "name": "mode", "label": "mode", "type": "select", "default": "b", "options": options},
    ]
    assert (await api.ask(ONE, {"id": created["id"].upper()}))["script"] == created


async def test_a_user_sees_no_other_user(api: Api) -> None:
    created = await made(api)
    seen = (await api.ask(ONE, {"id": created["id"]}, Role.USER))["script"]
    assert seen == {**created, "createdBy": None}


async def test_what_is_left_out_of_a_change_stays(api: Api) -> None:
    created = await made(api, description="d", category="c", tags=["t"])
    same = (await api.ask(UPDATE, {"input": {"id": created["id"]}}))["updateScript"]
    assert same["script"] == {**created, "updatedAt": same["script"]["updatedAt"]}
    changes = {"name": f"Other {uuid4()}", "description": "", "category": "", "tags": [], "content": PLAIN}
    changed = (await api.ask(UPDATE, {"input": {"id": created["id"], **changes}}))["updateScript"]["script"]
    emptied: dict[str, Any] = {
        "description": None,
        "category": None,
        "hasInputs": False,
        "inputCount": 0,
        "parsedInputs": [],
    }
    assert changed == {
        **created,
        **changes,
        **emptied,
        "os": ["LINUX"],
        "shell": "SH",
        "updatedAt": changed["updatedAt"],
    }


async def test_the_format_of_a_script_stays(api: Api) -> None:
    created = await made(api, format="JSON", content=json.dumps({"shell": "bash", "script": "true"}))
    assert created["fileName"] == f"{created['id']}.json"
    error = await api.refusal(UPDATE, {"input": {"id": created["id"], "content": PLAIN}})
    assert (error["code"], error["fields"][0]["field"]) == ("BAD_USER_INPUT", "content")


@pytest.mark.parametrize("shell", ["sh", "bash"])
async def test_a_place_that_no_value_would_come_to_is_refused(api: Api, shell: str) -> None:
    """When the script is made and when it is changed; other languages quote otherwise."""

    def content(language: str) -> str:
        return json.dumps({"shell": language, "inputs": [{"name": "key"}], "script": "x '${{ inputs.key }}'"})

    created = await made(api, format="JSON", content=content("python3"))
    for query, asked in (
        (CREATE, script(format="JSON", content=content(shell))),
        (UPDATE, {"id": created["id"], "content": content(shell)}),
    ):
        error = await api.refusal(query, {"input": asked})
        assert error["code"] == "BAD_USER_INPUT"
        (problem,) = error["fields"]
        assert problem["field"] == "content"
        assert problem["message"].startswith("script: There is a place for key in single quotes")


async def test_filters_narrow_the_list(api: Api) -> None:
    mark = str(uuid4())
    first = await made(api, name=f"A {mark} 50%", tags=["x", mark], category=mark)
    second = await made(api, name=f"B {mark}", description="Ends_here", tags=["y", mark], content=PLAIN)

    async def names(**filters: Any) -> list[str]:
        found = (await api.ask(LIST, {"filters": filters}, Role.USER))["scripts"]
        return [one["name"] for one in found if mark in one["name"]]

    both = [first["name"], second["name"]]
    assert await names() == await names(tags=[mark]) == await names(search=mark.upper()) == both
    assert await names(category=mark) == await names(os="WINDOWS") == await names(search="50%") == both[:1]
    assert await names(os="LINUX") == await names(tags=["y", "z"]) == await names(search="S_HERE") == both[1:]
    assert await names(category=mark, os="LINUX") == await names(search="sxhere") == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", " ", "The name must not be empty"),
        ("description", "a" * 1001, "The description must have at most 1000 characters, not 1001"),
        ("category", " padded", "The category must have 1 to 100 printable characters"),
        ("category", "a\nb", "The category must have 1 to 100 printable characters"),
        ("tags", ["a" * 101], "There are at most 20 tags of 1 to 100 printable characters"),
        ("tags", [""], "There are at most 20 tags of 1 to 100 printable characters"),
        ("tags", [str(number) for number in range(21)], "There are at most 20 tags of 1 to 100 printable characters"),
        ("content", "shell: sh", "script: Field required"),
        ("content", "shell: sh\nscript: ${{ inputs.x }}", "script: There is a place for x, which is no input"),
    ],
)
async def test_a_wrong_value_is_explained(api: Api, field: str, value: Any, message: str) -> None:
    present = await made(api)
    wanted = (CREATE, {"input": script(**{field: value})}), (UPDATE, {"input": {"id": present["id"], field: value}})
    for query, variables in wanted:
        error = await api.refusal(query, variables)
        assert (error["code"], error["message"], error["fields"][0]["field"]) == ("BAD_USER_INPUT", message, field)
    assert (await api.ask(ONE, {"id": present["id"]}))["script"] == present


async def test_a_name_is_taken_whatever_its_case(api: Api) -> None:
    first, second = await made(api), await made(api)
    name = first["name"].upper()
    for query, wanted in ((CREATE, script(name=name)), (UPDATE, {"id": second["id"], "name": name})):
        error = await api.refusal(query, {"input": wanted})
        assert (error["code"], error["message"]) == ("CONFLICT", "Script already exists")


@pytest.mark.parametrize("absent", [str(uuid4()), "", "nothing"])
async def test_what_is_absent_is_null_or_refused(api: Api, absent: str) -> None:
    refused = {"success": False, "message": "Script not found", "error": "Script not found", "script": None}
    assert (await api.ask(ONE, {"id": absent}))["script"] is None
    assert (await api.ask(DELETE, {"id": absent}))["deleteScript"] == refused
    assert (await api.ask(UPDATE, {"input": {"id": absent}}))["updateScript"] == refused


async def test_what_a_machine_waits_for_stays_and_is_counted(api: Api) -> None:
    created = await made(api)
    waiting = await chosen(api, created["id"], installed=False)
    await chosen(api, created["id"], installed=True)
    assert (await api.ask(ONE, {"id": created["id"]}))["script"]["executionCount"] == 2

    async def deleted(*, force: bool) -> tuple[bool, str]:
        answer = (await api.ask(DELETE, {"id": created["id"], "force": force}))["deleteScript"]
        return answer["success"], answer["message"]

    for force in (False, True):
        assert await deleted(force=force) == (False, "A machine that is not yet installed waits for the script")
    await api.database.secret.delete_many(where={"machineId": waiting})
    assert await deleted(force=False) == (False, "Machines were made with the script; force deletes it")
    assert await deleted(force=True) == (True, "Script deleted")
    assert await api.database.machinescript.count(where={"machineId": waiting}) == 0


async def test_a_deletion_with_a_key_is_answered_twice(api: Api) -> None:
    created = await made(api)
    wanted = {"id": created["id"], "key": str(uuid4())}
    assert await api.ask(DELETE, wanted) == await api.ask(DELETE, wanted)
    refused = {"id": created["id"], "key": str(uuid4())}
    first = await api.ask(DELETE, refused)
    assert first["deleteScript"]["error"] == "Script not found"
    assert await api.ask(DELETE, refused) == first


async def test_a_change_is_an_event_for_administrators(api: Api) -> None:
    created = await made(api)
    await api.ask(UPDATE, {"input": {"id": created["id"], "tags": ["x"]}})
    await api.ask(DELETE, {"id": created["id"]})
    events = await api.database.event.find_many(order={"seq": "desc"}, take=3)
    kinds = ["script.created", "script.updated", "script.deleted"]
    data = {"scriptId": created["id"], "name": created["name"]}
    assert [(event.kind, dict(event.data)) for event in reversed(events)] == [(kind, data) for kind in kinds]
    assert {(event.ownerId, event.actorId) for event in events} == {(None, api.users[Role.SUPER_ADMIN].id)}


async def test_a_refusal_is_no_success_in_the_audit_trail(api: Api) -> None:
    await api.ask(DELETE, {"id": str(uuid4())})
    entry = await api.database.auditentry.find_first(where={"action": "deleteScript"}, order={"id": "desc"})
    assert entry is not None
    assert entry.result == "refused"

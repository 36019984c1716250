"""Applications through the API, against a real database."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.access import Role
from infinibay.core.applications import command_problems, os_problems
from infinibay.db.applications import ApplicationValues
from infinibay.db.client import Database
from infinibay.services.first_applications import FIRST_APPLICATIONS, lay_first_applications
from tests.support.api import Api
from tests.unit.graphql.test_templates import machine_of

FIELDS = "id name description os installCommand parameters icon createdAt"
CREATE = f"mutation ($input: CreateApplicationInputType!) {{ createApplication(input: $input) {{ {FIELDS} }} }}"
UPDATE = f"""mutation ($id: String!, $input: CreateApplicationInputType!) {{
  updateApplication(id: $id, input: $input) {{ {FIELDS} }} }}"""
DELETE = "mutation ($id: String!) { deleteApplication(id: $id) }"
ONE = f"query ($id: String!) {{ application(id: $id) {{ {FIELDS} }} }}"
LIST = f"{{ applications {{ {FIELDS} }} }}"
_PARAMETERS = {
    "channel": "stable",
    "port": 80,
    "quiet": True,
    "owner": None,
    "token": {"type": "password", "label": "Token", "required": True},
    "edition": {"type": "select", "options": [{"value": "a"}, {"value": "b", "label": "B"}], "default": "a"},
}


def application(**changes: Any) -> dict[str, Any]:
    return {
        "name": f"Application {uuid4()}",
        "description": "Useful",
        "os": ["ubuntu", "windows"],
        "installCommand": {"ubuntu": ["apt-get install -y x", "x --token {{token}}"], "windows": "winget install x"},
        "parameters": _PARAMETERS,
        **changes,
    }


async def made(api: Api, **changes: Any) -> dict[str, Any]:
    created: dict[str, Any] = (await api.ask(CREATE, {"input": application(**changes)}))["createApplication"]
    return created


async def test_an_application_is_made_read_changed_and_deleted(api: Api) -> None:
    wanted = application(name=" Editor 1 ", description=" Two\nlines ")
    created = (await api.ask(CREATE, {"input": wanted}))["createApplication"]
    assert created == {
        **wanted,
        "id": created["id"],
        "name": "Editor 1",
        "description": "Two\nlines",
        "icon": None,
        "createdAt": created["createdAt"],
    }
    assert (await api.ask(ONE, {"id": created["id"].upper()}, Role.USER))["application"] == created
    assert created in (await api.ask(LIST, role=Role.USER))["applications"]
    other = {"name": "Editor 2", "os": ["redhat"], "installCommand": {"fedora": "dnf install -y x"}}
    changed = (await api.ask(UPDATE, {"id": created["id"], "input": other}))["updateApplication"]
    assert changed == {**created, **other, "description": None, "parameters": {}}
    assert await api.ask(DELETE, {"id": created["id"]}) == {"deleteApplication": True}
    assert (await api.ask(ONE, {"id": created["id"]}))["application"] is None


async def test_systems_are_named_in_any_case(api: Api) -> None:
    created = await made(api, os=["UBUNTU", "Windows"], installCommand={"Ubuntu": "x", "WINDOWS": "y"}, parameters=None)
    assert (created["os"], created["installCommand"]) == (["ubuntu", "windows"], {"ubuntu": "x", "windows": "y"})
    assert created["parameters"] == {}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", " ", "The name must not be empty"),
        ("name", "a" * 101, "The name must have at most 100 characters, not 101"),
        ("description", "a" * 1001, "The description must have at most 1000 characters, not 1001"),
        ("installCommand", {"ubuntu": "x"}, "There is no command for Windows 10; There is no command for Windows 11"),
        (
            "installCommand",
            {"ubuntu": "{{x}}", "windows": "y"},
            "The command for ubuntu has a place for x, which is no",
        ),
        ("parameters", {"a b": "x"}, "A name has 1 to 64 of A-Z, a-z, 0-9, _ and -, and begins with a letter or _"),
        ("parameters", {"a": ["x"]}, "a: the default must be a text"),
        ("parameters", {"a": {"type": "file"}}, "a: type: Input should be 'text', 'password', 'number', 'boolean'"),
        ("parameters", {"a": {"defualt": "x"}}, "a: defualt: Extra inputs are not permitted"),
        ("parameters", {"a": {"type": "password", "default": "x"}}, "a: a password has no default, since everybody"),
    ],
)
async def test_a_wrong_value_is_explained(api: Api, field: str, value: Any, message: str) -> None:
    present = await made(api)
    for query, variables in ((CREATE, {}), (UPDATE, {"id": present["id"]})):
        error = await api.refusal(query, {**variables, "input": application(**{field: value})})
        assert (error["code"], {one["field"] for one in error["fields"]}) == ("BAD_USER_INPUT", {field})
        assert error["message"].startswith(message)
    assert (await api.ask(ONE, {"id": present["id"]}))["application"] == present


async def test_every_wrong_field_is_named_at_once(api: Api) -> None:
    wrong = {"name": " ", "os": ["beos"], "installCommand": {}, "parameters": {"1": 1}}
    error = await api.refusal(CREATE, {"input": wrong})
    assert [field["field"] for field in error["fields"]] == ["name", "os", "parameters"]


async def test_a_name_is_taken_whatever_its_case(api: Api) -> None:
    first, second = await made(api, name=f"Größe {uuid4()}"), await made(api)
    taken = {"input": application(name=f" {first['name'].upper()}")}
    for query, variables in ((CREATE, taken), (UPDATE, {"id": second["id"], **taken})):
        error = await api.refusal(query, variables)
        assert (error["code"], error["message"]) == ("CONFLICT", "Application already exists")
        assert error["fields"][0]["field"] == "name"


@pytest.mark.parametrize("absent", [str(uuid4()), "", "nothing"])
async def test_what_is_absent_is_null_or_not_found(api: Api, absent: str) -> None:
    assert (await api.ask(ONE, {"id": absent}))["application"] is None
    for query, variables in ((DELETE, {"id": absent}), (UPDATE, {"id": absent, "input": application()})):
        error = await api.refusal(query, variables)
        assert (error["code"], error["message"]) == ("NOT_FOUND", "Application not found")


async def test_what_a_machine_was_made_with_stays(api: Api) -> None:
    created = await made(api)
    name = await machine_of(api.database, None)
    machine = await api.database.machine.find_first(where={"name": name})
    assert machine is not None
    await api.database.machineapplication.create(data={"machineId": machine.id, "applicationId": created["id"]})
    error = await api.refusal(DELETE, {"id": created["id"]})
    assert (error["code"], error["message"]) == (
        "CONFLICT",
        "Cannot delete application while machines were made with it",
    )
    await api.database.machine.delete(where={"id": machine.id})
    assert await api.ask(DELETE, {"id": created["id"]}) == {"deleteApplication": True}


async def test_a_change_is_an_event_for_administrators(api: Api) -> None:
    created = await made(api)
    await api.ask(UPDATE, {"id": created["id"], "input": application(name=created["name"])})
    await api.ask(DELETE, {"id": created["id"]})
    events = await api.database.event.find_many(order={"seq": "desc"}, take=3)
    kinds = ["application.created", "application.updated", "application.deleted"]
    data = {"applicationId": created["id"], "name": created["name"]}
    assert [(event.kind, dict(event.data)) for event in reversed(events)] == [(kind, data) for kind in kinds]
    assert {(event.ownerId, event.actorId) for event in events} == {(None, api.users[Role.SUPER_ADMIN].id)}


async def test_the_first_applications_are_laid_once(database: Database) -> None:
    await database.application.create(data={"name": "GIT", "nameKey": "git", "os": ["ubuntu"]})
    assert sorted(await asyncio.gather(*(lay_first_applications(database) for _ in range(3)))) == [False, False, True]
    found = await database.application.find_many()
    assert {row.nameKey for row in found} == {values.name_key for values in FIRST_APPLICATIONS}
    assert [dict(row.installCommand) for row in found if row.name == "GIT"] == [{}]
    await database.application.delete_many()
    assert not await lay_first_applications(database)
    assert await database.application.count() == 0


@pytest.mark.parametrize("values", FIRST_APPLICATIONS, ids=lambda values: str(values.name))
def test_a_first_application_keeps_the_rules(values: ApplicationValues) -> None:
    assert os_problems(values.os) == []
    assert command_problems(values.os, values.install_command, ()) == []

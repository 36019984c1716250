"""Departments through the API, against a real database."""

from __future__ import annotations

from uuid import uuid4

import pytest

from infinibay.core.access import Role
from tests.support.api import Api

CREATE = "mutation ($name: String!) { createDepartment(name: $name) { id name totalMachines createdAt } }"
RENAME = "mutation ($id: ID!, $name: String!) { updateDepartmentName(input: {id: $id, name: $name}) { id name } }"
DESTROY = "mutation ($id: String!) { destroyDepartment(id: $id) { id name } }"
ONE = "query ($id: String!) { department(id: $id) { id name totalMachines internetSpeed ipSubnet } }"
BY_NAME = "query ($name: String!) { findDepartmentByName(name: $name) { id name } }"


async def made(api: Api, name: str) -> str:
    return str((await api.ask(CREATE, {"name": name}))["createDepartment"]["id"])


async def owned_machine(api: Api, department_id: str, owner: Role) -> str:
    """A machine's row with nothing behind it."""
    host = await api.database.host.create(data={"name": f"host {uuid4()}", "libvirtUri": "test:///default"})
    name = f"machine {uuid4()}"
    row = await api.database.machine.create(
        data={
            "name": name,
            "nameKey": name,
            "internalName": name,
            "os": "ubuntu",
            "cpuCores": 1,
            "ramGB": 1,
            "diskSizeGB": 1,
            "hostId": host.id,
            "departmentId": department_id,
            "userId": api.users[owner].id,
        }
    )
    return row.id


async def test_a_department_is_made_read_renamed_and_removed(api: Api) -> None:
    name = f"Sales {uuid4()}"
    department_id = await made(api, f"  {name}  ")
    shown = (await api.ask(ONE, {"id": department_id}))["department"]
    assert shown == {"id": department_id, "name": name, "totalMachines": 0, "internetSpeed": None, "ipSubnet": None}
    assert (await api.ask(BY_NAME, {"name": name.upper()}))["findDepartmentByName"]["id"] == department_id
    renamed = await api.ask(RENAME, {"id": department_id, "name": f"{name} <&>"})
    assert renamed["updateDepartmentName"] == {"id": department_id, "name": f"{name} <&>"}
    gone = await api.ask(DESTROY, {"id": department_id.upper()})
    assert gone["destroyDepartment"] == {"id": department_id, "name": f"{name} <&>"}
    assert (await api.ask(ONE, {"id": department_id}))["department"] is None


async def test_a_department_s_birth_gives_it_a_rule_set(api: Api) -> None:
    department_id = await made(api, f"Ruled {uuid4()}")
    found = await api.database.ruleset.find_unique(where={"departmentId": department_id})
    assert found is not None


async def test_a_name_is_taken_whatever_its_case(api: Api) -> None:
    name = f"Straße {uuid4()}"
    department_id = await made(api, name)
    error = await api.refusal(CREATE, {"name": f" {name.upper()} "})
    assert error["code"] == "CONFLICT"
    assert error["message"] == f'Department name "{name.upper()}" is already taken'
    other = await made(api, f"Other {uuid4()}")
    error = await api.refusal(RENAME, {"id": other, "name": name})
    assert (error["code"], error["fields"][0]["field"]) == ("CONFLICT", "name")
    await api.ask(RENAME, {"id": department_id, "name": name.upper()})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Department name cannot be empty"),
        ("   ", "Department name cannot be empty"),
        ("a" * 101, "The name must have at most 100 characters, not 101"),
        ("a\nb", "The name must not have control characters"),
    ],
)
async def test_a_wrong_name_is_explained(api: Api, name: str, message: str) -> None:
    error = await api.refusal(CREATE, {"name": name})
    assert (error["code"], error["message"], error["fields"][0]["field"]) == ("BAD_USER_INPUT", message, "name")


@pytest.mark.parametrize("department_id", [str(uuid4()), "", "nothing", "' OR 1=1 --", "{" + "0" * 34 + "}"])
async def test_an_absent_department_is_null_or_not_found(api: Api, department_id: str) -> None:
    assert (await api.ask(ONE, {"id": department_id}))["department"] is None
    for mutation in (DESTROY, RENAME):
        error = await api.refusal(
            mutation, {"id": department_id, "name": "x"} if mutation is RENAME else {"id": department_id}
        )
        assert (error["code"], error["message"]) == ("NOT_FOUND", "Department not found")


async def test_a_department_with_machines_stays(api: Api) -> None:
    department_id = await made(api, f"Busy {uuid4()}")
    await owned_machine(api, department_id, Role.ADMIN)
    error = await api.refusal(DESTROY, {"id": department_id})
    assert (error["code"], error["message"]) == ("CONFLICT", "Cannot delete department with machines")
    assert (await api.ask(ONE, {"id": department_id}))["department"]["totalMachines"] == 1


async def test_a_user_sees_the_departments_of_own_machines(api: Api) -> None:
    mine, foreign = await made(api, f"Mine {uuid4()}"), await made(api, f"Foreign {uuid4()}")
    await owned_machine(api, mine, Role.USER)
    await owned_machine(api, mine, Role.ADMIN)
    await owned_machine(api, foreign, Role.ADMIN)
    listed = (await api.ask("{ departments { id totalMachines } }", role=Role.USER))["departments"]
    assert {"id": mine, "totalMachines": 1} in listed
    assert foreign not in {one["id"] for one in listed}
    assert (await api.ask(ONE, {"id": foreign}, Role.USER))["department"] is None
    everything = (await api.ask("{ departments { id totalMachines } }", role=Role.ADMIN))["departments"]
    assert {"id": mine, "totalMachines": 2} in everything

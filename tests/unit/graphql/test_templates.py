"""Templates and their categories through the API, against a real database."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.access import Role
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict
from infinibay.services.first_start import FIRST_CATEGORY, FIRST_TEMPLATES, lay_first_things
from infinibay.services.templates import TemplateRequest
from tests.support.api import Api
from tests.support.recording import machine_row

FIELDS = "id name description cores ram storage categoryId totalMachines createdAt"
CREATE = f"mutation ($input: MachineTemplateInputType!) {{ createMachineTemplate(input: $input) {{ {FIELDS} }} }}"
UPDATE = f"""mutation ($id: String!, $input: MachineTemplateInputType!) {{
  updateMachineTemplate(id: $id, input: $input) {{ {FIELDS} }} }}"""
DESTROY = "mutation ($id: String!) { destroyMachineTemplate(id: $id) }"
ONE = f"query ($id: String!) {{ machineTemplate(id: $id) {{ {FIELDS} }} }}"
LIST = """query ($pagination: PaginationInputType, $orderBy: MachineTemplateOrderBy) {
  machineTemplates(pagination: $pagination, orderBy: $orderBy) { id name cores ram storage totalMachines } }"""
CATEGORY_FIELDS = "id name description totalTemplates totalMachines createdAt"
CREATE_CATEGORY = f"""mutation ($input: MachineTemplateCategoryInputType!) {{
  createMachineTemplateCategory(input: $input) {{ {CATEGORY_FIELDS} }} }}"""
UPDATE_CATEGORY = f"""mutation ($id: String!, $input: MachineTemplateCategoryInputType!) {{
  updateMachineTemplateCategory(id: $id, input: $input) {{ {CATEGORY_FIELDS} }} }}"""
DESTROY_CATEGORY = "mutation ($id: String!) { destroyMachineTemplateCategory(id: $id) }"
ONE_CATEGORY = f"query ($id: String!) {{ machineTemplateCategory(id: $id) {{ {CATEGORY_FIELDS} }} }}"
CATEGORIES = f"{{ machineTemplateCategories {{ {CATEGORY_FIELDS} }} }}"


def template(**changes: Any) -> dict[str, Any]:
    return {"name": f"Template {uuid4()}", "description": "For all", "cores": 2, "ram": 4, "storage": 20, **changes}


async def made(api: Api, **changes: Any) -> dict[str, Any]:
    created: dict[str, Any] = (await api.ask(CREATE, {"input": template(**changes)}))["createMachineTemplate"]
    return created


async def category(api: Api, name: str = "", description: str | None = None) -> dict[str, Any]:
    wanted = {"name": name or f"Category {uuid4()}", "description": description}
    created: dict[str, Any] = (await api.ask(CREATE_CATEGORY, {"input": wanted}))["createMachineTemplateCategory"]
    return created


async def machine_of(database: Database, template_id: str | None) -> str:
    """A machine's row with nothing behind it."""
    host = await database.host.create(data={"name": f"host {uuid4()}", "libvirtUri": "test:///default"})
    name = f"Department {uuid4()}"
    department = await database.department.create(data={"name": name, "nameKey": name})
    row = machine_row(f"machine {uuid4()}", None)
    await database.machine.create(
        data={
            "name": row.name,
            "nameKey": row.nameKey,
            "internalName": row.internalName,
            "os": row.os,
            "cpuCores": 1,
            "ramGB": 1,
            "diskSizeGB": 1,
            "hostId": host.id,
            "departmentId": department.id,
            "templateId": template_id,
        }
    )
    return row.name


async def test_a_template_is_made_read_changed_and_removed(api: Api) -> None:
    group = await category(api)
    created = await made(
        api, name="  Office\t1 ".replace("\t", " "), description=" Two\nlines ", categoryId=group["id"]
    )
    assert created == {
        "id": created["id"],
        "name": "Office 1",
        "description": "Two\nlines",
        "cores": 2,
        "ram": 4,
        "storage": 20,
        "categoryId": group["id"],
        "totalMachines": 0,
        "createdAt": created["createdAt"],
    }
    assert (await api.ask(ONE, {"id": created["id"].upper()}))["machineTemplate"] == created
    larger = {**template(name="OFFICE 1", description=""), "cores": 64, "ram": 512, "storage": 1024}
    changed = (await api.ask(UPDATE, {"id": created["id"], "input": larger}))["updateMachineTemplate"]
    assert changed == {**created, **larger, "description": None}
    for nothing in (None, ""):
        wanted = {"id": created["id"], "input": {**larger, "categoryId": nothing}}
        assert (await api.ask(UPDATE, wanted))["updateMachineTemplate"]["categoryId"] is None
    assert await api.ask(DESTROY, {"id": created["id"]}) == {"destroyMachineTemplate": True}
    assert (await api.ask(ONE, {"id": created["id"]}))["machineTemplate"] is None


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        ("cores", (0, -1, 65), "Cores must be between 1 and 64"),
        ("ram", (0, 513), "RAM must be between 1 and 512"),
        ("storage", (0, 1025), "Storage must be between 1 and 1024"),
        ("name", ("", "  "), "The name must not be empty"),
        ("name", ("a" * 101,), "The name must have at most 100 characters, not 101"),
        ("description", ("a" * 1001,), "The description must have at most 1000 characters, not 1001"),
        ("categoryId", (str(uuid4()), "nothing"), "Machine template category not found"),
    ],
)
async def test_a_wrong_value_is_explained(api: Api, field: str, values: tuple[Any, ...], message: str) -> None:
    present = await made(api)
    for value in values:
        for query, variables in ((CREATE, {}), (UPDATE, {"id": present["id"]})):
            error = await api.refusal(query, {**variables, "input": template(**{field: value})})
            assert (error["code"], error["message"], error["fields"][0]["field"]) == ("BAD_USER_INPUT", message, field)
    assert (await api.ask(ONE, {"id": present["id"]}))["machineTemplate"] == present


async def test_every_wrong_field_is_named_at_once(api: Api) -> None:
    error = await api.refusal(CREATE, {"input": template(name=" ", cores=0, ram=0, storage=0)})
    assert [field["field"] for field in error["fields"]] == ["name", "cores", "ram", "storage"]


async def test_a_name_is_taken_whatever_its_case(api: Api) -> None:
    first, second = await made(api, name=f"Größe {uuid4()}"), await made(api)
    group, other = await category(api, f"Größen {uuid4()}"), await category(api)
    for query, variables, message in (
        (CREATE, {"input": template(name=f" {first['name'].upper()}")}, "Machine template already exists"),
        (UPDATE, {"id": second["id"], "input": template(name=first["name"])}, "Machine template already exists"),
        (
            CREATE_CATEGORY,
            {"input": {"name": group["name"].upper()}},
            "Machine template category with this name already exists",
        ),
        (
            UPDATE_CATEGORY,
            {"id": other["id"], "input": {"name": group["name"]}},
            "Machine template category with this name already exists",
        ),
    ):
        error = await api.refusal(query, variables)
        assert (error["code"], error["message"], error["fields"][0]["field"]) == ("CONFLICT", message, "name")


@pytest.mark.parametrize("absent", [str(uuid4()), "", "nothing"])
async def test_what_is_absent_is_null_or_not_found(api: Api, absent: str) -> None:
    assert (await api.ask(ONE, {"id": absent}))["machineTemplate"] is None
    assert (await api.ask(ONE_CATEGORY, {"id": absent}))["machineTemplateCategory"] is None
    for query, variables, message in (
        (DESTROY, {"id": absent}, "Machine template not found"),
        (UPDATE, {"id": absent, "input": template()}, "Machine template not found"),
        (DESTROY_CATEGORY, {"id": absent}, "Machine template category not found"),
        (UPDATE_CATEGORY, {"id": absent, "input": {"name": "x"}}, "Machine template category not found"),
    ):
        error = await api.refusal(query, variables)
        assert (error["code"], error["message"]) == ("NOT_FOUND", message)


async def test_what_is_in_use_stays_and_is_counted(api: Api) -> None:
    group = await category(api)
    used, unused = await made(api, categoryId=group["id"]), await made(api, categoryId=group["id"])
    for _ in range(2):
        await machine_of(api.database, used["id"])
    error = await api.refusal(DESTROY, {"id": used["id"]})
    assert (error["code"], error["message"]) == (
        "CONFLICT",
        "Cannot delete template while it is being used by machines",
    )
    error = await api.refusal(DESTROY_CATEGORY, {"id": group["id"]})
    assert (error["code"], error["message"]) == (
        "CONFLICT",
        "Cannot delete category while it is being used by templates",
    )
    assert (await api.ask(ONE, {"id": used["id"]}))["machineTemplate"]["totalMachines"] == 2
    listed = (await api.ask(LIST, {"pagination": {"take": 1000}}))["machineTemplates"]
    totals = {one["id"]: one["totalMachines"] for one in listed}
    assert (totals[used["id"]], totals[unused["id"]]) == (2, 0)
    shown = {**group, "totalTemplates": 2, "totalMachines": 2}
    assert (await api.ask(ONE_CATEGORY, {"id": group["id"]}))["machineTemplateCategory"] == shown
    assert shown in (await api.ask(CATEGORIES))["machineTemplateCategories"]
    await api.database.execute_raw("DELETE FROM machines WHERE template_id = $1::uuid", used["id"])
    for one in (used, unused):
        await api.ask(DESTROY, {"id": one["id"]})
    assert await api.ask(DESTROY_CATEGORY, {"id": group["id"]}) == {"destroyMachineTemplateCategory": True}


async def test_a_category_keeps_what_a_change_leaves_out(api: Api) -> None:
    group = await category(api, description=" Kept ")
    assert (group["description"], group["totalTemplates"], group["totalMachines"]) == ("Kept", 0, 0)
    name = f"Renamed {uuid4()}"
    renamed = await api.ask(UPDATE_CATEGORY, {"id": group["id"], "input": {"name": name}})
    assert renamed["updateMachineTemplateCategory"] == {**group, "name": name}
    emptied = await api.ask(UPDATE_CATEGORY, {"id": group["id"], "input": {"name": name, "description": None}})
    assert emptied["updateMachineTemplateCategory"]["description"] is None
    error = await api.refusal(CREATE_CATEGORY, {"input": {"name": "", "description": "x" * 1001}})
    assert [field["field"] for field in error["fields"]] == ["name", "description"]


async def test_templates_come_ordered_and_in_pages(api: Api) -> None:
    for number in range(12):
        await made(api, cores=1 + number % 3)
    assert len((await api.ask(LIST))["machineTemplates"]) == 10
    everything = (await api.ask(LIST, {"pagination": {"take": 1000}}))["machineTemplates"]
    pages = []
    for skip in range(0, len(everything), 5):
        window = {"pagination": {"take": 5, "skip": skip}, "orderBy": {"fieldName": "CORES", "direction": "ASC"}}
        pages += (await api.ask(LIST, window))["machineTemplates"]
    assert [one["cores"] for one in pages] == sorted(one["cores"] for one in everything)
    assert len({one["id"] for one in pages}) == len(everything)
    for name, column in (("ID", "id"), ("NAME", "name"), ("RAM", "ram"), ("STORAGE", "storage")):
        order = {"pagination": {"take": 1000}, "orderBy": {"fieldName": name, "direction": "DESC"}}
        found = [one[column] for one in (await api.ask(LIST, order))["machineTemplates"]]
        assert found == sorted(found, key=lambda one: one.casefold() if isinstance(one, str) else one, reverse=True)
    error = await api.refusal(LIST, {"pagination": {"take": 1001}})
    assert error["fields"][0]["field"] == "pagination.take"


async def test_lists_cost_the_same_statements_for_any_number_of_rows(api: Api) -> None:
    async def statements(query: str) -> int:
        seen = []
        engine = api.database._engine
        original = engine.query

        async def counted(*arguments: Any, **named: Any) -> Any:
            seen.append(arguments)
            return await original(*arguments, **named)

        engine.query = counted  # type: ignore[method-assign]
        try:
            await api.ask(query, {"pagination": {"take": 1000}} if query is LIST else {})
        finally:
            engine.query = original  # type: ignore[method-assign]
        return len(seen)

    before = [await statements(query) for query in (LIST, CATEGORIES)]
    assert min(before) > 1
    for _ in range(5):
        await made(api, categoryId=(await category(api))["id"])
    assert [await statements(query) for query in (LIST, CATEGORIES)] == before


async def test_a_template_that_goes_while_it_is_wanted(api: Api) -> None:
    """Either the template goes, or it gets its category; nothing points nowhere."""
    service = api.services.templates
    for _ in range(5):
        group = await category(api)
        request = TemplateRequest(f"Template {uuid4()}", "", 1, 1, 1, group["id"])
        outcomes = await asyncio.gather(
            service.create(api.principal(Role.ADMIN), request),
            api.services.template_categories.destroy(api.principal(Role.ADMIN), group["id"]),
            return_exceptions=True,
        )
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert [type(error) for error in errors] in ([Conflict], [BadUserInput])


async def test_a_change_is_an_event_for_administrators(api: Api) -> None:
    group = await category(api)
    created = await made(api, categoryId=group["id"])
    await api.ask(DESTROY, {"id": created["id"]})
    events = await api.database.event.find_many(order={"seq": "desc"}, take=3)
    assert [(event.kind, dict(event.data)) for event in reversed(events)] == [
        ("template_category.created", {"categoryId": group["id"], "name": group["name"]}),
        ("template.created", {"templateId": created["id"], "name": created["name"]}),
        ("template.deleted", {"templateId": created["id"], "name": created["name"]}),
    ]
    assert {(event.ownerId, event.actorId) for event in events} == {(None, api.users[Role.SUPER_ADMIN].id)}


async def test_the_first_things_are_laid_once(database: Database) -> None:
    assert sorted(await asyncio.gather(*(lay_first_things(database) for _ in range(3)))) == [False, False, True]
    found = await database.machinetemplate.find_many(include={"category": True})
    assert {row.name: (row.cores, row.ramGB, row.storageGB, row.description) for row in found} == FIRST_TEMPLATES
    assert {row.category and row.category.name for row in found} == {FIRST_CATEGORY}
    assert [row.name for row in await database.department.find_many()] == ["Default"]
    for table in (database.machinetemplate, database.machinetemplatecategory, database.department):
        await table.delete_many()
    assert not await lay_first_things(database)
    assert (await database.machinetemplate.count(), await database.department.count()) == (0, 0)


async def test_what_is_there_before_the_first_start_stays_as_it_is(database: Database) -> None:
    await database.department.create(data={"name": "DEFAULT", "nameKey": "default"})
    await database.machinetemplate.create(
        data={"name": "mine", "nameKey": "mine", "cores": 1, "ramGB": 1, "storageGB": 1}
    )
    assert await lay_first_things(database)
    assert [row.name for row in await database.department.find_many()] == ["DEFAULT"]
    assert [row.name for row in await database.machinetemplate.find_many()] == ["mine"]
    assert await database.machinetemplatecategory.count() == 0

"""The first templates on a real machine, and that what an administrator removes of the first things stays removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.guest_iso import build_guest_iso
from tests.support.product import Product

LIST = "{ machineTemplates { id name cores ram storage categoryId totalMachines } departments { id name } }"
CATEGORIES = "{ machineTemplateCategories { id name totalTemplates } }"
PLAN = """query P($input: CreateMachineInputType!) { planMachine(input: $input) {
  valid cpuCores ramGB diskSizeGB problems { field message } } }"""
CREATE = """mutation C($input: CreateMachineInputType!) { createMachine(input: $input) {
  id cpuCores ramGB diskSizeGB templateId template { name } operation { id } } }"""
WISH: dict[str, Any] = {"os": "UBUNTU", "username": "user", "password": "secret password"}


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    """One server for the module."""
    made = Product(build_guest_iso())
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def _destroyed(product: Product, kind: str, identity: str) -> Any:
    return await product.post(f'mutation {{ {kind}(id: "{identity}") }}')


async def test_a_machine_gets_the_sizes_of_its_template(product: Product) -> None:
    first = {one["name"]: one for one in (await product.ask(LIST))["machineTemplates"]}
    assert sorted(first) == ["Large", "Medium", "Small"]
    (category,) = (await product.ask(CATEGORIES))["machineTemplateCategories"]
    assert (category["name"], category["totalTemplates"]) == ("General", 3)
    assert {one["categoryId"] for one in first.values()} == {category["id"]}
    small = first["Small"]

    for system in ("UBUNTU", "FEDORA", "WINDOWS10", "WINDOWS11"):
        wish = {**WISH, "name": system, "os": system, "templateId": small["id"]}
        plan = (await product.ask(PLAN, {"input": wish}))["planMachine"]
        assert (plan["cpuCores"], plan["ramGB"], plan["diskSizeGB"]) == (2, 4, 64)
        assert {problem["field"] for problem in plan["problems"]} <= {"os"}  # There is a medium for Ubuntu alone.

    wish = {**WISH, "name": "from a template", "templateId": small["id"]}
    created = (await product.ask(CREATE, {"input": wish}))["createMachine"]
    assert (created["templateId"], created["template"]) == (small["id"], {"name": "Small"})
    assert (await product.ended(created["operation"]["id"]))["state"] == "SUCCEEDED"
    domain = dict(line.split(":", 1) for line in product.virsh("dominfo", created["id"]).splitlines() if ":" in line)
    assert (domain["CPU(s)"].strip(), domain["Max memory"].strip()) == ("2", f"{4 * 1024**2} KiB")
    capacity = product.virsh("vol-info", f"{created['id']}-main.qcow2", "--pool", product.pool, "--bytes")
    assert f"{64 * 1024**3} bytes" in capacity

    refused = await _destroyed(product, "destroyMachineTemplate", small["id"])
    assert refused["errors"][0]["message"] == "Cannot delete template while it is being used by machines"
    assert (await product.verb("destroyMachine", created["id"]))["success"] is True


async def test_both_a_template_and_sizes_are_one_too_many(product: Product) -> None:
    template = (await product.ask(LIST))["machineTemplates"][0]["id"]
    for sizes, identity, field in (({"customCores": 1}, template, "templateId"), ({}, "nothing", "templateId")):
        answer = await product.post(CREATE, {"input": {**WISH, "name": "x", "templateId": identity, **sizes}})
        (error,) = answer["errors"]
        assert (error["extensions"]["code"], error["extensions"]["fields"][0]["field"]) == ("BAD_USER_INPUT", field)


async def test_what_was_removed_stays_removed(product: Product) -> None:
    found = await product.ask(LIST)
    for template in found["machineTemplates"]:
        assert "errors" not in await _destroyed(product, "destroyMachineTemplate", template["id"])
    (category,) = (await product.ask(CATEGORIES))["machineTemplateCategories"]
    assert "errors" not in await _destroyed(product, "destroyMachineTemplateCategory", category["id"])
    (default,) = found["departments"]
    await product.ask(f'mutation {{ destroyDepartment(id: "{default["id"]}") {{ name }} }}')
    await product.stop()
    await product.start()
    assert await product.ask(LIST) == {"machineTemplates": [], "departments": []}
    assert await product.ask(CATEGORIES) == {"machineTemplateCategories": []}

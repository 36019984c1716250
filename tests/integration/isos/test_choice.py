"""Which medium a new machine is installed from, on the whole product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from tests.support.databases import base_directory, fresh_database
from tests.support.iso_layouts import fedora_iso, ubuntu_iso, windows10_iso
from tests.support.whole import Whole, machine_input, whole

PLAN = """
query ($input: CreateMachineInputType!) {
  planMachine(input: $input) { valid medium problems { field message remedy } }
}
"""
CREATE = "mutation ($input: CreateMachineInputType!) { createMachine(input: $input) { id } }"


@pytest.fixture(scope="module")
async def product(postgres_url: str) -> AsyncIterator[Whole]:
    with base_directory() as base:
        async with fresh_database(postgres_url) as url, whole(url, base) as running:
            ubuntu_iso(base / "iso" / "jammy.iso", "22.04.5")
            fedora_iso(base / "iso" / "f41.iso")
            yield running


async def _ids(product: Whole) -> dict[str, str]:
    found = await product.ask("{ allISOs { id filename } }")
    return {one["filename"]: one["id"] for one in found["allISOs"]}


async def _plan(product: Whole, **changes: Any) -> tuple[str, list[dict[str, Any]]]:
    """The name of the medium, and what is wrong."""
    plan = (await product.ask(PLAN, {"input": {**machine_input(), **changes}}))["planMachine"]
    folder, name = plan["medium"].rsplit("/", maxsplit=1)
    assert folder == str(product.settings.infinibay_iso_dir)
    assert plan["valid"] == (not plan["problems"])
    return name, plan["problems"]


async def test_the_own_medium_unless_another_is_named(product: Whole) -> None:
    ids = await _ids(product)
    assert await _plan(product) == ("ubuntu.iso", [])
    assert await _plan(product, isoId=ids["jammy.iso"]) == ("jammy.iso", [])
    assert await _plan(product, os="FEDORA") == ("f41.iso", [])
    assert await _plan(product, isoId="") == ("ubuntu.iso", [])
    await product.ask("mutation ($id: String!) { setDefaultISO(isoId: $id) { id } }", {"id": ids["jammy.iso"]})
    assert await _plan(product) == ("jammy.iso", [])
    assert await _plan(product, isoId=ids["ubuntu.iso"]) == ("ubuntu.iso", [])


async def test_a_medium_that_does_not_fit_is_refused_before_anything_is_made(product: Whole) -> None:
    ids = await _ids(product)
    cases = (
        ({"isoId": ids["f41.iso"]}, {"field": "isoId", "message": "f41.iso holds no Ubuntu", "remedy": None}),
        (
            {"isoId": str(uuid4())},
            {"field": "isoId", "message": "There is no such installation medium", "remedy": None},
        ),
        ({"isoId": "../x"}, {"field": "isoId", "message": "There is no such installation medium", "remedy": None}),
        (
            {"os": "WINDOWS10"},
            {
                "field": "os",
                "message": "There is no installation medium for Windows 10",
                "remedy": "Put its ISO into the ISO directory as windows10.iso",
            },
        ),
    )
    for changes, problem in cases:
        before = await product.state()
        _, problems = await _plan(product, **changes)
        assert problem in problems
        refused = (
            await product.post(CREATE, {"input": {**machine_input(), **changes}}, product.tokens["first"])
        ).json()
        fields = [one["field"] for one in refused["errors"][0]["extensions"]["fields"]]
        assert problem["field"] in fields
        assert await product.state() == before


@pytest.mark.parametrize("system", list(OPERATING_SYSTEMS))
async def test_every_system_is_asked_for_by_its_name(product: Whole, system: str) -> None:
    _, problems = await _plan(product, os=system.upper())
    assert {one["field"] for one in problems} <= {"os", "customRam", "customStorage"}


async def test_a_damaged_medium_is_refused_with_the_reason(product: Whole) -> None:
    medium = product.settings.infinibay_iso_dir / "windows11.iso"
    medium.write_bytes(b"no image")
    wide = {"os": "WINDOWS11", "customRam": 4, "customStorage": 64}
    _, problems = await _plan(product, **wide)
    told = [one["message"] for one in problems if one["field"] == "os"]
    assert "The installation medium windows11.iso can't be used. File is not an ISO" in told
    medium.unlink()


async def test_a_user_of_windows_with_the_computer_s_name_is_refused(product: Whole) -> None:
    """Whether the user gave the computer's name or the machine's name became it."""
    medium = windows10_iso(product.settings.infinibay_iso_dir / "windows10.iso")
    wide = {"os": "WINDOWS10", "username": "Reception", "customStorage": 64}
    for changes in ({"name": "Reception"}, {"hostname": "reception"}):
        _, problems = await _plan(product, **wide, **changes)
        (message,) = [one["message"] for one in problems if one["field"] == "username"]
        assert message.startswith("The username Reception is the computer's name too")
        asked = {"input": {**machine_input(), **wide, **changes}}
        (refused,) = (await product.post(CREATE, asked, product.tokens["first"])).json()["errors"]
        assert message in [one["message"] for one in refused["extensions"]["fields"]]
    medium.unlink()


async def test_the_medium_of_a_machine_can_not_be_removed(product: Whole) -> None:
    ids = await _ids(product)
    machine = await product.machine(isoId=ids["jammy.iso"])
    ((path,),) = await product.rows(
        "SELECT iso_path FROM machine_configurations WHERE machine_id = %s::uuid", machine["id"]
    )
    assert path == str(product.settings.infinibay_iso_dir / "jammy.iso")
    query, variables = "mutation ($id: String!) { removeISO(isoId: $id) }", {"id": ids["jammy.iso"]}
    refused = (await product.post(query, variables, product.tokens["first"])).json()
    assert refused["errors"][0]["extensions"]["code"] == "CONFLICT"
    destroy = "mutation ($id: String!) { destroyMachine(id: $id) { success } }"
    assert (await product.ask(destroy, {"id": machine["id"]}))["destroyMachine"]["success"] is True
    await product.settled()
    assert (await product.ask(query, variables))["removeISO"] is True

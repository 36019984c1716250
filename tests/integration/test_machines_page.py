"""machinesPage on the whole product: each filter, all of them together, totals and cursors, for each caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import product as every
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.access import Role
from tests.support.databases import base_directory, fresh_database
from tests.support.whole import Whole, whole

PAGE = """query ($filter: MachineFilter, $first: Int, $after: String) {
  machinesPage(filter: $filter, first: $first, after: $after) { items { id } next total } }"""
_INSERT = (
    "INSERT INTO machines (name, name_key, internal_name, status, os, cpu_cores, ram_gb, disk_size_gb, host_id,"
    ' user_id, department_id, created_at) SELECT %s, %s, %s, %s::"MachineStatus", %s, 1, 1, 1, hosts.id, %s::uuid,'
    " %s::uuid, now() - make_interval(mins => %s) FROM hosts LIMIT 1 RETURNING id::text"
)
STATUSES, SYSTEMS, NAMES = ("running", "stopped"), ("ubuntu", "windows11"), ("Web", "data BASE")


@dataclass
class Park:
    """Machines of every combination; `facts` tells what each one is."""

    product: Whole
    departments: list[str] = field(default_factory=list)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)

    async def fill(self) -> None:
        product = self.product
        for name in ("owner", "other"):
            await product.join(name, Role.USER)
        self.departments = [await product.department() for _ in range(2)]
        owners = [product.users["owner"], product.users["other"]]
        combinations = every(STATUSES, SYSTEMS, owners, self.departments, NAMES)
        for number, (status, system, owner, department, word) in enumerate(combinations):
            name = f"{word} {uuid4()}"
            values = (name, name.casefold(), str(uuid4()), status, system, owner, department, number)
            ((machine,),) = await product.rows(_INSERT, *values)
            self.facts[machine] = {
                "status": status,
                "os": system,
                "userId": owner,
                "departmentId": department,
                "name": name,
            }

    def matching(self, caller: str, **wanted: Any) -> list[str]:
        """The machines that a caller should get, the newest first."""
        own = None if caller == "first" else self.product.users[caller]

        def fits(fact: dict[str, str]) -> bool:
            return (
                (own is None or fact["userId"] == own)
                and wanted.get("search", "").casefold() in fact["name"].casefold()
                and fact["status"] in wanted.get("status", STATUSES)
                and fact["os"] in (one.lower() for one in wanted.get("os", SYSTEMS))
                and fact["departmentId"] == wanted.get("departmentId", fact["departmentId"])
                and fact["userId"] == wanted.get("userId", fact["userId"])
            )

        return [machine for machine, fact in self.facts.items() if fits(fact)]

    async def found(self, caller: str, wanted: dict[str, Any], first: int = 1000) -> tuple[list[str], set[int]]:
        """All that a filter gives page by page, and the totals that the pages told."""
        machines: list[str] = []
        totals, after = set(), None
        while True:
            variables = {"filter": wanted, "first": first, "after": after}
            page = (await self.product.ask(PAGE, variables, caller))["machinesPage"]
            assert len(page["items"]) <= first
            machines += [one["id"] for one in page["items"]]
            totals.add(page["total"])
            after = page["next"]
            if after is None:
                return machines, totals


@pytest.fixture(scope="module")
async def park(postgres_url: str) -> AsyncIterator[Park]:
    with base_directory() as base:
        async with fresh_database(postgres_url) as url, whole(url, base) as product:
            made = Park(product)
            await made.fill()
            yield made


def filters(park: Park) -> list[dict[str, Any]]:
    """None, each one by itself, some together, and some that nothing fits."""
    owner, department = park.product.users["owner"], park.departments[0]
    return [
        {},
        {"search": "dATa b"},
        {"search": "nothing has this"},
        {"status": ["running"]},
        {"status": ["running", "stopped"]},
        {"status": ["crashed"]},
        {"os": ["UBUNTU"]},
        {"os": ["ubuntu", "windows11"]},
        {"departmentId": department},
        {"userId": owner},
        {"departmentId": str(uuid4())},
        {"search": "web", "status": ["stopped"], "os": ["windows11"], "departmentId": department, "userId": owner},
    ]


@pytest.mark.parametrize("caller", ["first", "owner", "other"])
async def test_each_filter_gives_what_the_caller_may_see(park: Park, caller: str) -> None:
    for wanted in filters(park):
        expected = park.matching(caller, **wanted)
        for first in (1000, 3):
            assert await park.found(caller, wanted, first) == (expected, {len(expected)}), wanted


async def test_a_filter_by_owner_opens_nothing_of_others(park: Park) -> None:
    assert await park.found("other", {"userId": park.product.users["owner"]}) == ([], {0})


async def test_an_unknown_status_or_cursor_is_refused(park: Park) -> None:
    for variables, name in (({"filter": {"status": ["off"]}}, "filter.status"), ({"after": "nonsense"}, "after")):
        answer = (await park.product.post(PAGE, variables, park.product.tokens["first"])).json()
        extensions = answer["errors"][0]["extensions"]
        assert (extensions["code"], extensions["fields"][0]["field"]) == ("BAD_USER_INPUT", name)

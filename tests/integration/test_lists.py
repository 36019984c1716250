"""Lists of machines: as many SQL statements for a hundred as for one, and the same rows whatever is asked of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from infinibay.core.access import Role
from tests.support.databases import base_directory, fresh_database
from tests.support.many_machines import ManyMachines
from tests.support.whole import Whole, whole

FIELDS = "id name configuration hypervisorConnected operation { id kind }"
RELATED = "user { email } department { name } template { name cores } failure { code } disks { sizeGB image { id } }"
NESTED = f"{{ {FIELDS} {RELATED} }}"
LISTS = {
    "machines": f"{{ machines {NESTED} }}",
    "machinesPage": f"{{ machinesPage(first: 1000) {{ total items {NESTED} }} }}",
    "operations": "{ operations(first: 1000) { items { id kind } } }",
    "own fields": "{ machines { id name status cpuCores } }",
}
# Statements that no query asked for come between now and then, and never take any away.
_TRIES = 6


@dataclass
class Stage:
    product: Whole
    many: ManyMachines

    async def statements(self, query: str, caller: str) -> int:
        """How many statements the engine sends for a query, by its own counter."""
        counts = []
        for _ in range(_TRIES):
            before = await self._counted()
            await self.product.ask(query, caller=caller)
            counts.append(await self._counted() - before)
        return min(counts)

    async def _counted(self) -> int:
        text = (await self.product.services.figures.text()).decode()
        found = re.search(r"^prisma_datasource_queries_total (\d+)$", text, re.MULTILINE)
        assert found is not None
        return int(found[1])


@pytest.fixture(scope="module")
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    async with fresh_database(postgres_url) as url:
        with base_directory() as base:
            async with whole(url, base, "api") as product:
                many = ManyMachines(product.connection)
                await many.grow(1)
                await product.join("owner", Role.USER)
                yield Stage(product, many)


async def test_the_number_of_statements_does_not_grow_with_the_rows(stage: Stage) -> None:
    counts: dict[str, list[int]] = {name: [] for name in LISTS}
    for size in (1, 10, 100):
        await stage.many.grow(size)
        await stage.product.rows("UPDATE machines SET user_id = %s RETURNING 1", stage.product.users["owner"])
        for name, query in LISTS.items():
            counts[name].append(await stage.statements(query, "owner"))
    assert {name: numbers for name, numbers in counts.items() if len(set(numbers)) > 1} == {}
    # Beside the rows and each relation: the session, and the statement of the figures that count.
    assert counts["own fields"][0] < counts["machines"][0] <= 12


@pytest.mark.parametrize(
    "query",
    [
        "{ machines { ...F } } fragment F on Machine { id ...G } fragment G on Machine { user { email } %s }",
        "{ machines { ... on Machine { id mail: user { email } ... { owner: user { lastName } %s } } } }",
        "query ($n: Boolean = false) { machines { id user @include(if: $n) { id } user @skip(if: $n) { email } %s } }",
        "{ few: machines { id } machines { user { email } id %s } }",
        "{ machinesPage(first: 1000) { ...P } } fragment P on MachinePage { items { id user { email } %s } }",
    ],
)
async def test_what_is_selected_is_read_however_it_is_written(stage: Stage, query: str) -> None:
    rest = "department { name } template { name } configuration hypervisorConnected"
    answer = await stage.product.ask(query % rest)
    listed: list[dict[str, Any]] = answer["machinesPage"]["items"] if "machinesPage" in answer else answer["machines"]
    assert len(listed) >= 1
    for one in listed:
        alone = (await stage.product.ask(_alone(one["id"], rest)))["machine"]
        assert alone["user"] is not None
        assert (one.get("user") or one["mail"])["email"] == alone["user"]["email"]
        names = ("department", "template", "configuration", "hypervisorConnected")
        assert {name: one[name] for name in names} == {name: alone[name] for name in names}
        assert None not in [one[name] for name in names]


def _alone(machine_id: str, rest: str) -> str:
    return f'{{ machine(id: "{machine_id}") {{ user {{ email }} {rest} }} }}'


async def test_a_machine_shows_its_newest_operation_however_many_there_were(stage: Stage) -> None:
    await stage.product.connection.execute(
        "INSERT INTO operations (kind, host_id, machine_id, state, steps, created_at, ended_at, failure_code)"
        " SELECT 'number ' || n, host_id, id, 'FAILED', 1, now() + make_interval(mins => n), now(), 'CONFLICT'"
        " FROM machines, generate_series(-2, 3) n"
    )
    listed = (await stage.product.ask("{ machines { operation { kind } } }"))["machines"]
    assert {one["operation"]["kind"] for one in listed} == {"number 3"}
    await stage.product.rows("UPDATE machines SET status = 'failed' RETURNING 1")
    await stage.product.rows("UPDATE operations SET failure_code = NULL WHERE kind = 'number 3' RETURNING 1")
    await stage.product.rows("UPDATE operations SET failure_code = 'UNAVAILABLE' WHERE kind = 'number 2' RETURNING 1")
    failed = (await stage.product.ask("{ machines { operation { kind } failure { code } } }"))["machines"]
    kinds = {(one["operation"]["kind"], one["failure"]["code"]) for one in failed}
    assert kinds == {("number 3", "UNAVAILABLE")}

"""Whose operations are whose: those that somebody asked for, and those of a machine while it was somebody's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from infinibay.core.access import Role
from infinibay.db import operations
from infinibay.db.client import Database
from tests.support.databases import base_directory, fresh_database
from tests.support.whole import Whole, whole

_ASSIGN = "mutation ($input: UpdateMachineUserInput!) { updateMachineUser(input: $input) { userId } }"
_DESTROY = "mutation ($id: String!) { destroyMachine(id: $id) { success } }"
_CANCEL = "mutation ($id: ID!) { cancelOperation(id: $id) { state } }"
_ONE = "query ($id: ID!) { operation(id: $id) { id } }"
_PAGE = """query ($filter: OperationFilter, $first: Int, $after: String) {
  operations(filter: $filter, first: $first, after: $after) { items { id } next } }"""


@pytest.fixture(scope="module")
async def product(postgres_url: str) -> AsyncIterator[Whole]:
    """The product with two users, `old` and `new`."""
    with base_directory() as base:
        async with fresh_database(postgres_url) as url, whole(url, base) as running:
            for name in ("old", "new"):
                await running.join(name, Role.USER)
            yield running


def database(product: Whole) -> Database:
    return product.services.applications._database


async def give(product: Whole, machine: str, user: str) -> None:
    await product.ask(_ASSIGN, {"input": {"id": machine, "userId": product.users[user]}})


async def begun(product: Whole, machine: str, requested_by: str | None = None) -> str:
    """An operation of the machine that nobody works on."""
    ((host_id,),) = await product.rows("SELECT host_id::text FROM machines WHERE id = %s::uuid", machine)
    async with database(product).tx() as tx:
        row = await operations.create(
            tx,
            kind="work",
            host_id=host_id,
            machine_id=machine,
            department_id=None,
            requested_by_id=product.users[requested_by] if requested_by else None,
            input={},
            steps=1,
            arrived_at=await operations.lock_queue(tx, machine),
        )
        await operations.set_enqueued(tx, row.id)
    return row.id


async def seen(product: Whole, caller: str, **filters: Any) -> list[str]:
    """The ids that somebody lists, page by page; each of them is shown by itself as well, and no other."""
    listed, after = [], None
    while True:
        variables = {"filter": filters, "first": 2, "after": after}
        page = (await product.ask(_PAGE, variables, caller))["operations"]
        listed += [one["id"] for one in page["items"]]
        if (after := page["next"]) is None:
            break
    for (one,) in await product.rows("SELECT id::text FROM operations WHERE %s", True):
        shown = (await product.ask(_ONE, {"id": one}, caller))["operation"]
        assert shown is None or one in listed or filters
        assert shown is not None or one not in listed
    return listed


async def test_a_new_owner_sees_nothing_of_what_was_before(product: Whole) -> None:
    machine = (await product.machine(mediaMode="MANUAL"))["id"]
    await give(product, machine, "old")
    mine = [await begun(product, machine, requested_by) for requested_by in ("old", None, "old")]
    for operation in mine:
        await operations.finish(database(product), operation)

    await give(product, machine, "new")

    assert await seen(product, "new") == []
    assert await seen(product, "old") == mine[::-1]
    assert await seen(product, "first", machineId=machine, kind="work") == mine[::-1]
    assert await seen(product, "old", machineId=machine, kind="work", state="SUCCEEDED") == mine[::-1]
    assert await seen(product, "old", state="FAILED") == []


async def test_what_still_runs_is_seen_by_both_and_driven_by_the_new_owner(product: Whole) -> None:
    machine = (await product.machine(mediaMode="MANUAL"))["id"]
    await give(product, machine, "old")
    operation = await begun(product, machine)
    await give(product, machine, "new")
    assert operation not in await seen(product, "new")
    await operations.set_progress(database(product), operation, 50)
    assert operation in await seen(product, "new")
    assert operation in await seen(product, "old")
    refused = (await product.post(_CANCEL, {"id": operation}, product.tokens["old"])).json()["errors"]
    assert [error["extensions"]["code"] for error in refused] == ["FORBIDDEN"]
    assert (await product.ask(_CANCEL, {"id": operation}, "new"))["cancelOperation"]["state"] == "CANCELLING"
    await operations.finish(database(product), operation)


async def test_a_removal_stays_in_the_list_of_whoever_asked_for_it(product: Whole) -> None:
    machine = (await product.machine(mediaMode="MANUAL"))["id"]
    await give(product, machine, "new")
    await product.ask(_DESTROY, {"id": machine}, "new")
    await product.settled()
    assert await product.rows("SELECT 1 FROM machines WHERE id = %s::uuid", machine) == []
    removal = await seen(product, "new", kind="destroy")
    assert len(removal) == 1
    assert await seen(product, "new", machineId=machine) == removal
    assert await seen(product, "old", machineId=machine) == []

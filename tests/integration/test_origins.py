"""What a new machine refers to is there when it is written, and stays until then; on the whole product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from infinibay.db import departments, machines, template_categories, templates
from infinibay.db.client import Database
from infinibay.services.machines.create import Planner
from infinibay.services.machines.requests import CreateMachineRequest
from infinibay.services.machines.validation import Checked
from tests.support.databases import base_directory, fresh_database
from tests.support.whole import Whole, machine_input, whole

_CREATE = "mutation ($input: CreateMachineInputType!) { createMachine(input: $input) { id } }"


@pytest.fixture
async def product(postgres_url: str) -> AsyncIterator[Whole]:
    with base_directory() as base:
        async with fresh_database(postgres_url) as url, whole(url, base) as running:
            yield running


async def template(db: Database) -> str:
    """A new template's id."""
    category = await template_categories.create(db, "any", "any", None)
    values = templates.TemplateValues("any", "any", None, 1, 1, 1, category.id)
    return (await templates.create(db, values)).id


async def test_everything_that_is_gone_since_the_check_is_named(
    product: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    sized: dict[str, Any] = {"customCores": None, "customRam": None, "customStorage": None}
    wanted = {
        **machine_input(),
        **sized,
        "departmentId": await product.department(),
        "templateId": await template(product.services.applications._database),
    }
    check = Planner.check

    async def overtaken(planner: Planner, request: CreateMachineRequest) -> Checked:
        checked = await check(planner, request)
        assert not checked.problems
        for table in ("departments", "machine_templates", "isos"):
            await product.rows(f"DELETE FROM {table} RETURNING 1")
        return checked

    monkeypatch.setattr(Planner, "check", overtaken)
    (error,) = (await product.post(_CREATE, {"input": wanted}, product.tokens["first"])).json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert [(problem["field"], problem["message"]) for problem in error["extensions"]["fields"]] == [
        ("departmentId", "Department not found"),
        ("templateId", "Machine template not found"),
        ("isoId", "There is no such installation medium"),
    ]
    assert await product.rows("SELECT 1 FROM machines") == []


async def test_what_is_held_stays_until_the_transaction_ends(database: Database, database_url: str) -> None:
    department = await departments.create(database, "any", "any")
    template_id = await template(database)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
        await other.execute("SET lock_timeout = '100ms'")
        async with database.tx() as tx:
            missing = await machines.hold_origins(
                tx, department_id=department.id, template_id=template_id, iso_id=str(uuid4())
            )
            assert missing == {"iso"}
            for table in ("departments", "machine_templates"):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    await other.execute(f"DELETE FROM {table}".encode())
        await other.execute("DELETE FROM machine_templates")

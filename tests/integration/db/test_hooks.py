"""Hooks on create: inside the transaction and after its commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infinibay.db import rows
from infinibay.db.client import Database, EngineOptions
from infinibay.db.hooks import Hooks


@pytest.fixture
async def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
async def hooked(database_url: str, tmp_path: Path, hooks: Hooks) -> AsyncIterator[Database]:
    """A client with these hooks."""
    db = Database(database_url, engine=EngineOptions(tmp_path), hooks=hooks)
    await db.connect()
    yield db
    await db.disconnect()


async def department(db: Database, name: str) -> rows.Department:
    return await db.department.create({"name": name, "nameKey": name})


async def test_a_create_outside_of_a_transaction_opens_one(hooked: Database, hooks: Hooks) -> None:
    seen: list[tuple[str, str, bool, int]] = []

    @hooks.after_create(rows.Department)
    async def inside(tx: Database, row: rows.Department) -> None:
        await tx.setting.create({"key": row.name, "value": rows.Json({})})
        seen.append(("inside", row.name, tx.is_transaction(), await hooked.setting.count()))

    @hooks.after_commit(rows.Department)
    async def after(row: rows.Department) -> None:
        seen.append(("after", row.name, False, await hooked.setting.count()))

    await department(hooked, "A")
    assert seen == [("inside", "A", True, 0), ("after", "A", False, 1)]
    await hooked.host.create({"name": "h", "libvirtUri": "test:///default"})
    assert len(seen) == 2


async def test_error_inside_undoes_the_create(hooked: Database, hooks: Hooks) -> None:
    @hooks.after_create(rows.Department)
    async def inside(_tx: Database, _row: rows.Department) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await department(hooked, "A")
    assert await hooked.department.count() == 0


async def test_after_commit_waits_for_the_whole_transaction(hooked: Database, hooks: Hooks) -> None:
    seen: list[str] = []

    @hooks.after_commit(rows.Department)
    async def after(row: rows.Department) -> None:
        seen.append(row.name)

    async with hooked.tx() as tx:
        await department(tx, "A")
        await department(tx, "B")
        assert seen == []
    assert seen == ["A", "B"]
    with pytest.raises(KeyError):
        async with hooked.tx() as tx:
            await department(tx, "C")
            raise KeyError
    assert seen == ["A", "B"]


async def test_failing_hook_after_commit_is_logged_and_the_row_stands(hooked: Database, hooks: Hooks) -> None:
    seen: list[str] = []

    @hooks.after_commit(rows.Department)
    async def fails(_row: rows.Department) -> None:
        raise KeyError

    @hooks.after_commit(rows.Department)
    async def works(row: rows.Department) -> None:
        seen.append(row.name)

    await department(hooked, "A")
    assert (seen, await hooked.department.count()) == (["A"], 1)


async def test_hooks_fire_through_the_model_too(hooked: Database, hooks: Hooks) -> None:
    seen: list[str] = []

    @hooks.after_create(rows.Department)
    async def inside(_tx: Database, row: rows.Department) -> None:
        seen.append(row.name)

    async with hooked.tx() as tx:
        await rows.Department.prisma(tx).create({"name": "A", "nameKey": "a"})
    assert seen == ["A"]


async def test_what_fires_nothing(hooked: Database, hooks: Hooks) -> None:
    seen: list[str] = []

    @hooks.after_create(rows.Department)
    async def inside(_tx: Database, row: rows.Department) -> None:
        seen.append(row.name)

    await hooked.department.create_many([{"name": "A", "nameKey": "a"}])
    async with hooked.batch_() as batch:
        batch.department.create({"name": "B", "nameKey": "b"})
    assert (seen, await hooked.department.count()) == ([], 2)

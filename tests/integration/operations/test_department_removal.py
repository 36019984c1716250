"""Whatever interrupts the removal of a department, no filter stays without its department, and no machine without its
department's filter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast
from uuid import uuid4

import pytest

from infinibay.db import departments, rows
from infinibay.db.client import Database
from infinibay.errors import HypervisorUnavailable, WrongState
from infinibay.operations.api import NewOperation, OperationFailed
from infinibay.operations.engine import OperationEngine
from infinibay.services.department_removal import DESTROY_DEPARTMENT, DepartmentRemoval
from infinibay.services.machines.firewall import MachineFilters
from tests.integration.operations.conftest import EngineMaker

Fault = Callable[[], Awaitable[None]]


class FaultyFilters:
    """The filters of departments as libvirt would have them; a fault happens at the next removal."""

    def __init__(self, *present: str) -> None:
        self.present = set(present)
        self.fault: Fault | None = None

    async def ensure_department(self, department_id: str) -> None:
        self.present.add(department_id)

    async def remove_department(self, department_id: str) -> None:
        if self.fault is not None:
            await self.fault()
        self.present.discard(department_id)


@pytest.fixture
async def department(database: Database) -> rows.Department:
    name = f"Department {uuid4()}"
    return await departments.create(database, name, name)


@pytest.fixture
def filters(department: rows.Department) -> FaultyFilters:
    return FaultyFilters(department.id)


async def removal(engine: OperationEngine, host_id: str, department: rows.Department) -> None:
    new = NewOperation(kind=DESTROY_DEPARTMENT, host_id=host_id, department_id=department.id)
    await engine.succeeded((await engine.request(new)).id)


async def join(database: Database, host_id: str, department: rows.Department) -> None:
    """A new machine of the department."""
    name = str(uuid4())
    values: Mapping[str, Any] = {"name": name, "nameKey": name, "internalName": name, "os": "ubuntu"}
    sizes: Mapping[str, Any] = {"cpuCores": 1, "ramGB": 1, "diskSizeGB": 1}
    await database.machine.create(
        data=cast("Any", {**values, **sizes, "hostId": host_id, "departmentId": department.id})
    )


@pytest.mark.parametrize(
    ("error", "code"), [(HypervisorUnavailable(), "UNAVAILABLE"), (WrongState("It is in use"), "CONFLICT")]
)
async def test_a_filter_that_stays_keeps_its_department(
    database: Database,
    engine_of: EngineMaker,
    host_id: str,
    department: rows.Department,
    filters: FaultyFilters,
    error: Exception,
    code: str,
) -> None:
    engine = await engine_of(*DepartmentRemoval(database, cast("MachineFilters", filters)).kinds(), patience=0.1)

    async def refuse() -> None:
        raise error

    filters.fault = refuse
    with pytest.raises(OperationFailed) as failed:
        await removal(engine, host_id, department)
    assert failed.value.code == code
    assert await departments.find(database, department.id) is not None

    filters.fault = None
    await removal(engine, host_id, department)
    assert await departments.find(database, department.id) is None
    assert filters.present == set()


async def test_a_machine_that_comes_meanwhile_keeps_department_and_filter(
    database: Database, engine_of: EngineMaker, host_id: str, department: rows.Department, filters: FaultyFilters
) -> None:
    engine = await engine_of(*DepartmentRemoval(database, cast("MachineFilters", filters)).kinds())

    async def joined() -> None:
        await join(database, host_id, department)

    filters.fault = joined
    with pytest.raises(OperationFailed, match="Cannot delete department with machines") as failed:
        await removal(engine, host_id, department)
    assert failed.value.code == "CONFLICT"
    assert await departments.find(database, department.id) is not None
    assert filters.present == {department.id}


async def test_a_department_with_machines_is_left_alone(
    database: Database, engine_of: EngineMaker, host_id: str, department: rows.Department, filters: FaultyFilters
) -> None:
    engine = await engine_of(*DepartmentRemoval(database, cast("MachineFilters", filters)).kinds())
    await join(database, host_id, department)

    async def never() -> None:
        raise AssertionError

    filters.fault = never
    with pytest.raises(OperationFailed, match="Cannot delete department with machines"):
        await removal(engine, host_id, department)

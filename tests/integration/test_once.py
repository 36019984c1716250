"""One effect for one key, although the server dies between the effect and the answer; on the whole product."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.access import Principal, Role
from infinibay.operations.engine import OperationEngine
from tests.support.databases import base_directory, fresh_database
from tests.support.whole import Whole, whole

# The domain that libvirt's test driver begins with, and a machine's row for it.
_DOMAIN = "6695eb01-f6a4-8304-79aa-97f2502e193f"
_MACHINE = (
    "INSERT INTO machines (id, name, name_key, internal_name, os, cpu_cores, ram_gb, disk_size_gb, status, host_id,"
    " department_id) SELECT %s::uuid, 'test', 'test', 'test', 'ubuntu', 1, 1, 1, 'running', h.id, d.id"
    " FROM hosts h, departments d LIMIT 1 RETURNING id"
)


@dataclass
class Stage:
    product: Whole
    principal: Principal

    async def dies(self, field: str, arguments: Mapping[str, Any], call: Callable[[], Awaitable[object]]) -> str:
        """The key of a mutation whose server died before it could keep or give the answer."""
        key = str(uuid4())

        async def run() -> dict[str, Any]:
            await call()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await self.product.services.idempotency.once(self.principal, key, field, arguments, run)
        return key

    async def again(self, mutation: str, key: str) -> Any:
        """What the client's next try is answered."""
        (answer,) = (await self.product.ask(f"mutation ($key: String) {{ {mutation} }}", {"key": key})).values()
        return answer

    async def operations(self, kind: str) -> int:
        ((number,),) = await self.product.rows("SELECT count(*) FROM operations WHERE kind = %s", kind)
        return int(number)


@pytest.fixture(scope="module")
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    async with fresh_database(postgres_url) as url:
        with base_directory() as base:
            async with whole(url, base) as product:
                ((user_id,),) = await product.rows("SELECT id::text FROM users")
                yield Stage(product, Principal(user_id, Role.SUPER_ADMIN, ""))


async def test_a_verb_is_not_driven_twice(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.product.rows(_MACHINE, _DOMAIN)
    machines = stage.product.services.machines

    async def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as while_it_waits:
        while_it_waits.setattr(OperationEngine, "wait", dies)
        key = await stage.dies("suspend", {"id": _DOMAIN}, lambda: machines.verb(stage.principal, _DOMAIN, "suspend"))
    await stage.product.settled()
    told = await stage.again(f'suspend(id: "{_DOMAIN}", idempotencyKey: $key) {{ success message }}', key)
    assert told == {"success": True, "message": "Machine suspended"}
    assert await stage.operations("suspend") == 1


async def test_a_removal_is_told_although_the_machine_is_gone(stage: Stage) -> None:
    machine_id = (await stage.product.machine())["id"]
    machines = stage.product.services.machines
    key = await stage.dies("destroyMachine", {"id": machine_id}, lambda: machines.destroy(stage.principal, machine_id))
    told = await stage.again(f'destroyMachine(id: "{machine_id}", idempotencyKey: $key) {{ success message }}', key)
    assert told == {"success": True, "message": "Machine destroyed"}


async def test_a_move_is_not_made_twice(stage: Stage) -> None:
    machine_id, department_id = (await stage.product.machine())["id"], await stage.product.department()
    changes = stage.product.services.machines.changes
    key = await stage.dies(
        "moveMachine",
        {"id": machine_id, "departmentId": department_id},
        lambda: changes.move(stage.principal, machine_id, department_id),
    )
    before = await stage.operations("move")
    mutation = f'moveMachine(id: "{machine_id}", departmentId: "{department_id}", idempotencyKey: $key)'
    assert await stage.again(f"{mutation} {{ departmentId }}", key) == {"departmentId": department_id}
    assert await stage.operations("move") == before


@pytest.mark.parametrize("field", ["updateMachineName", "updateMachineUser", "setAutostart"])
async def test_a_changed_machine_is_not_changed_back(stage: Stage, field: str) -> None:
    """What somebody else changed in between stays."""
    machine_id, changes = (await stage.product.machine())["id"], stage.product.services.machines.changes
    name, user_id, who = str(uuid4()), stage.principal.user_id, stage.principal
    first: dict[str, tuple[dict[str, Any], Callable[[], Awaitable[object]], str]] = {
        "updateMachineName": (
            {"input": {"id": machine_id, "name": name}},
            lambda: changes.rename(who, machine_id, name),
            f'(input: {{id: "{machine_id}", name: "{name}"}}, ',
        ),
        "updateMachineUser": (
            {"input": {"id": machine_id, "userId": user_id}},
            lambda: changes.assign(who, machine_id, user_id),
            f'(input: {{id: "{machine_id}", userId: "{user_id}"}}, ',
        ),
        "setAutostart": (
            {"id": machine_id, "enabled": True},
            lambda: changes.set_autostart(who, machine_id, enabled=True),
            f'(id: "{machine_id}", enabled: true, ',
        ),
    }
    arguments, call, sent = first[field]
    key = await stage.dies(field, arguments, call)
    await changes.rename(who, machine_id, f"{name} too")
    await changes.assign(who, machine_id, None)
    await changes.set_autostart(who, machine_id, enabled=False)
    told = await stage.again(f"{field}{sent} idempotencyKey: $key) {{ name userId }}", key)
    assert told == {"name": f"{name} too", "userId": None}
    assert await stage.product.rows("SELECT autostart FROM machines WHERE id = %s::uuid", machine_id) == [(False,)]


async def test_a_creation_is_not_retried_twice(stage: Stage) -> None:
    machine_id = (await stage.product.machine())["id"]
    machines, before = stage.product.services.machines, await stage.operations("create")
    key = await stage.dies(
        "retryMachine",
        {"id": machine_id, "password": "secret password"},
        lambda: machines.retry(stage.principal, machine_id, "secret password", ()),
    )
    await stage.product.settled()
    told = await stage.again(
        f'retryMachine(id: "{machine_id}", password: "secret password", idempotencyKey: $key) {{ id }}', key
    )
    assert told == {"id": machine_id}
    assert await stage.operations("create") == before + 1


async def test_a_department_is_made_once_renamed_once_and_removed_once(stage: Stage) -> None:
    departments, who = stage.product.services.departments, stage.principal
    name = f"Department {uuid4()}"
    key = await stage.dies("createDepartment", {"name": name}, lambda: departments.create(who, name))
    made = await stage.again(f'createDepartment(name: "{name}", idempotencyKey: $key) {{ id name createdAt }}', key)
    assert made["name"] == name

    renamed = {"id": made["id"], "name": f"{name} 2"}
    key = await stage.dies(
        "updateDepartmentName", {"input": renamed}, lambda: departments.rename(who, made["id"], f"{name} 2")
    )
    await departments.rename(who, made["id"], f"{name} 3")
    query = f'updateDepartmentName(input: {{id: "{made["id"]}", name: "{name} 2"}}, idempotencyKey: $key) {{ name }}'
    assert await stage.again(query, key) == {"name": f"{name} 3"}

    key = await stage.dies("destroyDepartment", {"id": made["id"]}, lambda: departments.destroy(who, made["id"]))
    query = f'destroyDepartment(id: "{made["id"]}", idempotencyKey: $key) {{ id name createdAt totalMachines }}'
    told = await stage.again(query, key)
    assert told == {**made, "name": f"{name} 3", "totalMachines": 0}


async def test_a_removed_image_is_told_as_removed(stage: Stage) -> None:
    image = (
        "INSERT INTO images (name, name_key, os, kind, state, pool, volume_name, format, size_gb) VALUES"
        " ('i', 'i', 'ubuntu', 'image', 'ready', 'default-pool', 'none', 'qcow2', 1) RETURNING id::text"
    )
    ((image_id,),) = await stage.product.rows(image)
    images = stage.product.services.images
    key = await stage.dies("removeImage", {"id": image_id}, lambda: images.remove(stage.principal, image_id))
    assert await stage.again(f'removeImage(id: "{image_id}", idempotencyKey: $key)', key) is True


async def test_what_was_cancelled_is_told_although_it_has_ended(stage: Stage) -> None:
    ((operation_id,),) = await stage.product.rows(
        "INSERT INTO operations (kind, host_id, steps, enqueued_at) SELECT 'held', id, 1, now() FROM hosts"
        " RETURNING id::text"
    )
    operations = stage.product.services.operations
    key = await stage.dies(
        "cancelOperation", {"id": operation_id}, lambda: operations.cancel(stage.principal, operation_id)
    )
    await stage.product.rows(
        "UPDATE operations SET state = 'CANCELLED', ended_at = now() WHERE id = %s::uuid RETURNING 1", operation_id
    )
    told = await stage.again(f'cancelOperation(id: "{operation_id}", idempotencyKey: $key) {{ id state }}', key)
    assert told == {"id": operation_id, "state": "CANCELLED"}

"""Removals that did not come to their end: a machine of which nothing is gone goes on, and nothing is left unseen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import AsyncMock

import pytest

from infinibay.db import operations
from infinibay.db.client import Database
from infinibay.errors import HostFailure, HypervisorUnavailable, InfinibayError
from infinibay.operations.api import NewOperation
from infinibay.services.machines.creation_steps import CREATE, DESTROY
from infinibay.virt.api import Hypervisor
from tests.support.domain_xml import twin_domain
from tests.support.whole import Whole

_VERB = "mutation ($id: String!) { VERB(id: $id) { success message } }"
_STUCK = HostFailure("Failed to terminate process 4711 with SIGKILL: Device or resource busy")


def database(product: Whole) -> Database:
    return product.services.applications._database


def hypervisor(product: Whole) -> Hypervisor:
    return product.services.machines._creation._planner.definition._hypervisor


async def running_machine(product: Whole) -> str:
    """The id of a machine with a domain that runs."""
    machine_id = str((await product.machine())["id"])
    domains = hypervisor(product).domains
    ((name,),) = await product.rows("SELECT internal_name FROM machines WHERE id = %s", machine_id)
    await domains.define(twin_domain(name, machine_id))
    await domains.start(machine_id)
    await product.rows(
        "UPDATE machines SET status = 'running', status_reason = NULL WHERE id = %s RETURNING id", machine_id
    )
    return machine_id


@contextmanager
def fails(owner: Any, method: str, error: InfinibayError = _STUCK) -> Iterator[None]:
    """What is asked of this fails inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, method, AsyncMock(side_effect=error))
        yield


async def status(product: Whole, machine_id: str) -> tuple[str, str | None]:
    (row,) = await product.rows("SELECT status::text, status_reason FROM machines WHERE id = %s", machine_id)
    return tuple(row)


async def verb(product: Whole, name: str, machine_id: str) -> dict[str, Any]:
    outcome: dict[str, Any] = (await product.ask(_VERB.replace("VERB", name), {"id": machine_id}))[name]
    return outcome


async def test_a_machine_that_could_not_be_stopped_goes_on(product: Whole) -> None:
    machine_id = await running_machine(product)
    with fails(hypervisor(product).domains, "destroy"):
        outcome = await verb(product, "destroyMachine", machine_id)
    assert outcome == {"success": False, "message": _STUCK.message}

    assert await status(product, machine_id) == ("running", None)
    assert await verb(product, "suspend", machine_id) == {"success": True, "message": "Machine suspended"}
    assert (await verb(product, "destroyMachine", machine_id))["success"]


async def test_a_hypervisor_that_is_away_for_too_long_changes_no_status(
    product: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_id = await running_machine(product)
    worker: Any = product.services.machines._engine._worker
    monkeypatch.setattr(worker._workflow._runner, "_patience", 0)

    away = HypervisorUnavailable()
    with fails(hypervisor(product).domains, "find", away):
        assert await verb(product, "destroyMachine", machine_id) == {"success": False, "message": away.message}

    assert await status(product, machine_id) == ("running", None)
    assert (await verb(product, "powerOff", machine_id))["success"]


async def test_a_removal_that_was_cancelled_in_time_takes_nothing(product: Whole) -> None:
    machine_id = await running_machine(product)
    engine = product.services.machines._engine
    ((host_id,),) = await product.rows("SELECT host_id::text FROM machines WHERE id = %s", machine_id)
    async with database(product).tx() as tx:
        operation = await engine.submit(tx, NewOperation(kind=DESTROY, host_id=host_id, machine_id=machine_id))
        assert await operations.request_cancel(tx, operation.id)
    await engine.enqueue(operation)

    ended = await engine.wait(operation.id, 20)
    assert (ended.state, ended.failureMessage) == ("CANCELLED", "The operation was cancelled.")
    assert await status(product, machine_id) == ("running", None)
    assert (await verb(product, "powerOff", machine_id))["success"]


async def test_a_domain_that_went_alone_is_defined_again(product: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    machine_id = await running_machine(product)
    domains = hypervisor(product).domains
    undefine = domains.undefine

    async def and_then_fails(uuid: str) -> None:
        await undefine(uuid)
        raise _STUCK

    with monkeypatch.context() as patch:
        patch.setattr(domains, "undefine", and_then_fails)
        assert not (await verb(product, "destroyMachine", machine_id))["success"]

    gone = "The domain is gone from the hypervisor; powerOn defines it again"
    assert await status(product, machine_id) == ("failed", gone)
    # The test driver has no disk of ours, which is what a new definition asks for.
    assert await verb(product, "powerOn", machine_id) == {"success": False, "message": "The machine's disk is gone"}


async def test_what_is_half_gone_can_only_be_destroyed(product: Whole) -> None:
    machine_id = await running_machine(product)
    with fails(hypervisor(product).storage, "find_pool"):
        assert not (await verb(product, "destroyMachine", machine_id))["success"]

    assert await status(product, machine_id) == ("failed", f"Not wholly destroyed: {_STUCK.message}")
    refused = {"success": False, "message": "The machine is not wholly destroyed: destroy it again"}
    assert await verb(product, "powerOn", machine_id) == refused
    assert (await verb(product, "destroyMachine", machine_id))["success"]


async def test_a_failed_creation_is_not_forgotten_before_all_of_it_is_gone(
    product: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: Any = product.services.machines._engine._kinds[CREATE].ended
    monkeypatch.setattr(ended.__self__, "_keep_failed", False)
    with fails(ended.__self__._cleanup, "remove_directory"):
        machine_id = (await product.machine())["id"]

    assert await status(product, machine_id) == ("failed", f"Not wholly destroyed: {_STUCK.message}")
    directory = product.settings.infinibay_base_dir / "machines" / machine_id
    assert directory.exists()
    assert (await verb(product, "destroyMachine", machine_id))["success"]
    assert not directory.exists()


async def test_a_failed_creation_is_forgotten_when_its_rest_could_be_removed_after_all(
    product: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: Any = product.services.machines._engine._kinds[CREATE].ended
    monkeypatch.setattr(ended.__self__, "_keep_failed", False)
    really = ended.__self__._cleanup.remove_directory
    removals = AsyncMock(side_effect=[_STUCK, None])

    async def removed(machine_id: str) -> None:
        await removals()
        await really(machine_id)

    monkeypatch.setattr(ended.__self__._cleanup, "remove_directory", removed)
    machine_id = (await product.machine())["id"]

    assert await product.rows("SELECT 1 FROM machines WHERE id = %s", machine_id) == []
    assert not (product.settings.infinibay_base_dir / "machines" / machine_id).exists()

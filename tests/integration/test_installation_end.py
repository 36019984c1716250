"""The operation that ends an installation: what becomes of the installation when it is cut off, fails or comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import pytest

from infinibay.errors import HostFailure, InfinibayError, OperationCancelled, Unavailable
from infinibay.operations.api import Failure, NewOperation, StepContext
from infinibay.services.installations.finish import FINISH
from infinibay.virt.api import DomainState
from tests.support.domain_xml import twin_domain
from tests.support.wait import until
from tests.support.whole import Whole


@dataclass
class Context:
    """An operation that has come to its end."""

    operation_id: str
    machine_id: str
    was_cancelled: bool = False

    async def cancelled(self) -> bool:
        return self.was_cancelled


async def _installing(product: Whole, phase: str) -> tuple[Context, str]:
    """A machine in this phase that nobody watches, and the host that could."""
    made = await product.machine()
    machine_id = str(made["id"])
    ((host,),) = await product.rows("SELECT host_id::text FROM machines WHERE id = %s", machine_id)
    ((unwatched,),) = await product.rows(
        "INSERT INTO hosts (name, libvirt_uri) VALUES (%s, 'test:///default') RETURNING id", f"host {uuid4()}"
    )
    await product.connection.execute(
        "UPDATE machines SET host_id = %s, status = 'running', status_reason = NULL WHERE id = %s",
        (unwatched, machine_id),
    )
    await product.connection.execute(
        "UPDATE installations SET state = 'installing', phase = %s, phase_at = now(), ended_at = NULL, reason = NULL"
        " WHERE machine_id = %s",
        (phase, machine_id),
    )
    return Context(str(made["operation"]), machine_id), str(host)


def _ended(product: Whole) -> Callable[[StepContext, Failure | None], Awaitable[None]]:
    ended = product.services.machines._engine._kinds[FINISH].ended
    assert ended is not None
    return ended


async def _state(product: Whole, machine_id: str) -> tuple[Any, ...]:
    (row,) = await product.rows(
        "SELECT state::text, phase, reason FROM installations WHERE machine_id = %s", machine_id
    )
    return tuple(row)


async def _has_medium(product: Whole, machine_id: str) -> bool:
    ((path,),) = await product.rows("SELECT iso_path FROM machine_configurations WHERE machine_id = %s", machine_id)
    return path is not None


async def test_a_forced_power_off_cuts_the_end_of_an_installation_off_and_it_comes_all_the_same(
    product: Whole,
) -> None:
    context, host = await _installing(product, "ending")
    machine_id = context.machine_id
    hypervisor: Any = product.services.machines._creation._planner.definition._hypervisor
    await hypervisor.domains.define(twin_domain(machine_id, machine_id))
    engine = product.services.machines._engine

    async with engine._database.tx() as tx:
        finish = await engine.submit(tx, NewOperation(kind=FINISH, host_id=host, machine_id=machine_id))
        force = await engine.submit(tx, NewOperation(kind="force_power_off", host_id=host, machine_id=machine_id))
    await engine.enqueue(force)

    assert (await engine.wait(finish.id, 20)).state == "CANCELLED"
    assert (await engine.wait(force.id, 20)).state == "SUCCEEDED"
    assert await _state(product, machine_id) == ("installing", "ending", None)
    assert await _has_medium(product, machine_id)

    await product.connection.execute("UPDATE machines SET host_id = %s WHERE id = %s", (host, machine_id))
    await until(lambda: _is_in(product, machine_id, "first-boot"), 20, "the end of the installer")
    assert not await _has_medium(product, machine_id)
    domain = await hypervisor.domains.find(machine_id)
    assert domain.state is DomainState.SHUTOFF
    await product.settled()


async def _is_in(product: Whole, machine_id: str, phase: str) -> bool:
    return await _state(product, machine_id) == ("installing", phase, None)


@pytest.mark.parametrize(
    ("phase", "error", "cancelled"),
    [
        ("booting", OperationCancelled(), True),
        ("ending", OperationCancelled(), True),
        ("ending", Unavailable("The hypervisor is away."), False),
        ("finished", OperationCancelled(), True),
        ("finished", Unavailable("The hypervisor is away."), False),
        ("finished", HostFailure("The drive is locked."), False),
    ],
)
async def test_what_does_not_concern_the_installation_fails_none(
    product: Whole, phase: str, error: InfinibayError, *, cancelled: bool
) -> None:
    context, _ = await _installing(product, phase)
    context.was_cancelled = cancelled

    await _ended(product)(cast("StepContext", context), Failure("eject", error.code, error.message))

    assert await _state(product, context.machine_id) == ("installing", phase, None)


async def test_a_system_that_can_not_be_started_fails_its_installation(product: Whole) -> None:
    context, _ = await _installing(product, "ending")

    await _ended(product)(cast("StepContext", context), Failure("start", HostFailure.code, "There is no memory."))

    assert await _state(product, context.machine_id) == ("failed", None, "There is no memory.")


async def test_what_the_new_system_says_at_the_end_of_its_start_counts(product: Whole) -> None:
    """Its first boot may be over before the operation that began it is."""
    context, _ = await _installing(product, "ending")
    async with product.connection.transaction():
        await product.rows("SELECT 1 FROM machines WHERE id = %s FOR UPDATE", context.machine_id)
        ended = asyncio.ensure_future(_ended(product)(cast("StepContext", context), None))
        await until(lambda: _somebody_waits(product), 10, "a lock that is waited for")
        await product.rows(
            "UPDATE installations SET phase = 'finished' WHERE machine_id = %s RETURNING 1", context.machine_id
        )
    await ended

    assert await _state(product, context.machine_id) == ("installed", None, None)


async def _somebody_waits(product: Whole) -> bool:
    return bool(await product.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))

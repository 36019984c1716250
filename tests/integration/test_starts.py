"""Starts that nobody asked for by a verb: after the host's restart, and at the end of an installer."""

from __future__ import annotations

from typing import Any

from infinibay.operations.api import NewOperation
from infinibay.services.installations.finish import FINISH
from infinibay.services.machines.records import DOMAIN_GONE, HALF_DESTROYED
from infinibay.services.worker import HostWorker
from infinibay.virt.connection import Kind
from tests.support.domain_xml import twin_domain
from tests.support.whole import Whole


async def _change(product: Whole, statement: str, *values: Any) -> None:
    await product.connection.execute(statement.encode(), values)


async def _host(product: Whole, machine_id: str) -> str:
    ((host_id,),) = await product.rows("SELECT host_id::text FROM machines WHERE id = %s", machine_id)
    return str(host_id)


async def test_only_what_can_be_driven_starts_after_the_hosts_restart(product: Whole) -> None:
    states = {
        "stopped": ("stopped", None),
        "vanished": ("failed", f"{DOMAIN_GONE}; powerOn defines it again"),
        "half destroyed": ("failed", f"{HALF_DESTROYED}: the volume is busy"),
        "failed creation": ("failed", "There is no space"),
    }
    made = {name: str((await product.machine())["id"]) for name in states}
    for name, (status, reason) in states.items():
        statement = "UPDATE machines SET autostart = true, status = %s, status_reason = %s WHERE id = %s"
        await _change(product, statement, status, reason, made[name])
    host_id = await _host(product, made["stopped"])
    await _change(product, "UPDATE hosts SET boot_id = 'an earlier one' WHERE id = %s", host_id)

    database: Any = product.services.applications._database
    keeper: Any = None
    await HostWorker(database, product.services.machines._engine, keeper, host_id)._autostart()

    started = await product.rows("SELECT machine_id::text FROM operations WHERE kind = 'power_on'")
    assert sorted(one for (one,) in started) == sorted([made["stopped"], made["vanished"]])
    await product.settled()


async def test_what_a_start_needs_is_there_again_at_the_end_of_an_installer(product: Whole) -> None:
    """The host may have restarted since the installer powered it off."""
    machine_id = str((await product.machine())["id"])
    hypervisor: Any = product.services.machines._creation._planner.definition._hypervisor
    await hypervisor.domains.define(twin_domain(machine_id, machine_id))
    await hypervisor.networks._connection.call(
        Kind.CHANGE, lambda connection: connection.networkLookupByName("default").destroy()
    )
    assert await hypervisor.networks.is_active("default") is False
    await _change(product, "UPDATE machines SET status = 'stopped', status_reason = NULL WHERE id = %s", machine_id)
    await _change(
        product,
        "UPDATE installations SET state = 'installing', phase = 'ending', reason = NULL, ended_at = NULL"
        " WHERE machine_id = %s",
        machine_id,
    )

    engine = product.services.machines._engine
    new = NewOperation(kind=FINISH, host_id=await _host(product, machine_id), machine_id=machine_id)
    operation = await engine.wait((await engine.request(new)).id, 20)

    assert (operation.state, operation.failureMessage) == ("SUCCEEDED", None)
    assert await hypervisor.networks.is_active("default") is True

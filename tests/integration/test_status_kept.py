"""The status that is kept is the one that was seen last, and the screen's port is kept with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from infinibay.core.machine_status import MachineStatus
from infinibay.services.machines.records import HALF_DESTROYED, change_status
from infinibay.services.machines.status import StatusKeeper
from infinibay.virt.api import DomainInfo, DomainState
from tests.support.whole import Whole

_SCREEN = "<domain><devices><graphics type='vnc' port='5907'/></devices></domain>"
_MACHINE = b"""
INSERT INTO hosts (name, libvirt_uri) VALUES (%(id)s, 'test:///default');
INSERT INTO machines (id, name, name_key, internal_name, status, os, cpu_cores, ram_gb, disk_size_gb, host_id, user_id,
                      department_id)
  SELECT %(id)s, %(id)s, %(id)s, %(id)s, 'stopped', os, 1, 1, 1, (SELECT id FROM hosts WHERE name = %(id)s), user_id,
         department_id
  FROM machines WHERE id = %(like)s;
INSERT INTO machine_configurations (machine_id, firmware, tpm, domain_type, graphic_protocol, network, mac_address)
  SELECT %(id)s, firmware, tpm, domain_type, graphic_protocol, network, '52:54:00' || substr(mac_address, 9)
  FROM machine_configurations WHERE machine_id = %(like)s;
"""
_LOOK = "query ($id: String!) { machine(id: $id) { status configuration } }"
_STOPPED = {"status": "stopped", "configuration": None}
_RUNNING = {"status": "running", "configuration": {"graphic": "vnc://localhost:5907"}}


class Domains:
    """Takes the place of the hypervisor: one domain, and what happens while its definition is asked for."""

    def __init__(self, state: DomainState) -> None:
        self.state = state
        self.starting = False
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    @property
    def domains(self) -> Domains:
        return self

    async def find(self, uuid: str) -> DomainInfo:
        return DomainInfo(uuid, uuid, self.state, starting=self.starting)

    async def xml(self, _uuid: str) -> str:
        if self.meanwhile is not None:
            await self.meanwhile()
        return _SCREEN


@pytest.fixture
async def machine(product: Whole) -> str:
    """A stopped machine's id, by which its domain is called too; of a host that the product's own keeper lets be."""
    machine_id = str(uuid4())
    cursor = psycopg.AsyncClientCursor(product.connection)
    await cursor.execute(_MACHINE, {"id": machine_id, "like": (await product.machine())["id"]})
    return machine_id


def _keeper(product: Whole, domains: Domains) -> StatusKeeper:
    database: Any = product.services.applications._database
    hypervisor: Any = domains
    return StatusKeeper(database, hypervisor, "this host")


async def _told(product: Whole, machine_id: str) -> list[str]:
    """The status words of all events of the machine."""
    query = "SELECT data ->> 'status' FROM events WHERE kind = 'machine.status' AND machine_id = %s ORDER BY seq"
    return [word for (word,) in await product.rows(query, machine_id)]


async def _shown(product: Whole, machine_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = (await product.ask(_LOOK, {"id": machine_id}))["machine"]
    return shown


async def test_a_machine_is_never_shown_running_without_its_screen(
    product: Whole, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains = Domains(DomainState.RUNNING)
    seen: list[dict[str, Any]] = []

    async def look() -> None:
        seen.append(await _shown(product, machine))

    async def looked_at(*arguments: Any, **named: Any) -> bool:
        changed = await change_status(*arguments, **named)
        await look()
        return changed

    domains.meanwhile = look
    monkeypatch.setattr("infinibay.services.machines.status.change_status", looked_at)
    await _keeper(product, domains).observe(machine)

    assert seen == [_STOPPED, _STOPPED]
    assert await _shown(product, machine) == _RUNNING

    domains.state = DomainState.SHUTOFF
    await _keeper(product, domains).observe(machine)
    assert seen[2:] == [_RUNNING]
    assert await _shown(product, machine) == _STOPPED


async def test_who_looks_later_writes_later(product: Whole, machine: str) -> None:
    domains = Domains(DomainState.RUNNING)
    keeper = _keeper(product, domains)
    later: list[asyncio.Task[None]] = []

    async def powers_off() -> None:
        domains.state, domains.meanwhile = DomainState.SHUTOFF, None
        later.append(asyncio.create_task(keeper.observe(machine)))
        ended, _ = await asyncio.wait(later, timeout=1)
        assert not ended

    domains.meanwhile = powers_off
    await keeper.observe(machine)
    await asyncio.gather(*later)

    assert await _shown(product, machine) == _STOPPED
    assert await _told(product, machine) == ["running", "stopped"]


async def test_a_start_that_is_under_way_is_no_pause(product: Whole, machine: str) -> None:
    domains = Domains(DomainState.PAUSED)
    domains.starting = True
    await _keeper(product, domains).observe(machine)
    assert await _shown(product, machine) == _STOPPED
    assert await _told(product, machine) == []

    domains.state, domains.starting = DomainState.RUNNING, False
    await _keeper(product, domains).observe(machine)
    assert await _told(product, machine) == ["running"]


async def test_a_failed_machine_has_no_screen(product: Whole, machine: str) -> None:
    database: Any = product.services.applications._database
    await _keeper(product, Domains(DomainState.RUNNING)).observe(machine)

    async with database.tx() as tx:
        await change_status(tx, machine, MachineStatus.FAILED, reason=HALF_DESTROYED, settle=True)
    assert await _shown(product, machine) == {"status": "failed", "configuration": None}

    await _keeper(product, Domains(DomainState.RUNNING)).observe(machine)
    async with database.tx() as tx:
        assert await change_status(tx, machine, MachineStatus.RUNNING, screen=5907) is False
    assert await _shown(product, machine) == {"status": "failed", "configuration": None}

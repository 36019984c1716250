"""The status that is kept is the one that was seen last, and the screen's port is kept with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from infinibay.services.machines.records import change_status
from infinibay.services.machines.status import StatusKeeper
from infinibay.virt.api import DomainInfo, DomainState
from tests.support.whole import Whole

_SCREEN = "<domain><devices><graphics type='vnc' port='5907'/></devices></domain>"
_LOOK = "query ($id: String!) { machine(id: $id) { status configuration } }"
_STOPPED = {"status": "stopped", "configuration": None}
_RUNNING = {"status": "running", "configuration": {"graphic": "vnc://localhost:5907"}}


class Domains:
    """Takes the place of the hypervisor: one domain, and what happens while its definition is asked for."""

    def __init__(self, state: DomainState) -> None:
        self.state = state
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    @property
    def domains(self) -> Domains:
        return self

    async def find(self, uuid: str) -> DomainInfo:
        return DomainInfo(uuid, uuid, self.state)

    async def xml(self, _uuid: str) -> str:
        if self.meanwhile is not None:
            await self.meanwhile()
        return _SCREEN


@pytest.fixture
async def machine(product: Whole) -> str:
    """A stopped machine's id, by which its domain is called too."""
    machine_id = str((await product.machine())["id"])
    statement = b"UPDATE machines SET status = 'stopped', status_reason = NULL, internal_name = id::text WHERE id = %s"
    await product.connection.execute(statement, [machine_id])
    return machine_id


def _keeper(product: Whole, domains: Domains) -> StatusKeeper:
    database: Any = product.services.applications._database
    hypervisor: Any = domains
    return StatusKeeper(database, hypervisor, "this host")


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


async def test_what_was_seen_later_stays_although_it_was_written_first(product: Whole, machine: str) -> None:
    domains = Domains(DomainState.RUNNING)

    async def powers_off() -> None:
        domains.state, domains.meanwhile = DomainState.SHUTOFF, None
        await _keeper(product, domains).observe(machine)

    domains.meanwhile = powers_off
    await _keeper(product, domains).observe(machine)

    assert await _shown(product, machine) == _STOPPED

"""A guest counts by what it said, even when its power-off is heard before its words, or nobody listened for a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.installing import Limits
from infinibay.errors import AgentUnresponsive, HypervisorUnavailable, MachineBusy
from infinibay.operations.api import NewOperation
from infinibay.secrets import open_vault
from infinibay.services.installations import watcher
from infinibay.services.installations.finish import FINISH
from infinibay.services.installations.recorder import FlightRecorder
from infinibay.services.installations.reports import Reports
from infinibay.services.installations.watcher import Watcher
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.virt.api import DomainInfo, DomainState
from tests.support.databases import base_directory, fresh_database
from tests.support.wait import until
from tests.support.whole import Whole, whole

_INSTALLED = b'{"event":"installed"}\n'
_OFF = "The machine powered off before its installer had finished"


@dataclass
class SlowPort:
    """A hypervisor whose guest is off when it was told so, and whose report port gives what is put into `said`; None
    ends it."""

    said: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    seen_off: asyncio.Event = field(default_factory=asyncio.Event)
    is_off: bool = False
    is_away: bool = False
    has_agent: bool = False

    @property
    def domains(self) -> SlowPort:
        return self

    @property
    def guests(self) -> SlowPort:
        return self

    async def find(self, uuid: str) -> DomainInfo:
        if self.is_off:
            self.seen_off.set()
        return DomainInfo(uuid, "a-guest", DomainState.SHUTOFF if self.is_off else DomainState.RUNNING)

    @asynccontextmanager
    async def listen(self, _uuid: str, _port: str) -> AsyncIterator[AsyncIterator[bytes]]:
        if self.is_away:
            raise HypervisorUnavailable("It is away.")
        self.opened.set()
        yield self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while (piece := await self.said.get()) is not None:
            yield piece

    async def agent_command(self, _uuid: str, _command: str) -> str:
        if not self.has_agent:
            raise AgentUnresponsive("The guest agent is not connected.")
        return '{"return": {}}'

    async def screenshot(self, _uuid: str) -> bytes:
        return b""


class Asked:
    """Takes the place of the operations, to see what is asked of them."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    async def request(self, new: NewOperation) -> Any:
        self.kinds.append(new.kind)
        raise MachineBusy("It is written down.")


@dataclass
class Installing:
    """A machine that is being installed, which belongs to no host that anybody else watches."""

    product: Whole
    id: str
    guest: SlowPort
    operations: Asked
    watcher: Watcher

    async def state(self) -> tuple[str, str | None, str | None]:
        (row,) = await self.product.rows(
            "SELECT state::text, phase, reason FROM installations WHERE machine_id = %s", self.id
        )
        return tuple(row)

    async def powers_off(self) -> None:
        """Returns when the watcher has seen it."""
        self.guest.is_off = True
        self.watcher.noticed("stopped")
        await self.guest.seen_off.wait()


@pytest.fixture(scope="module")
async def product(postgres_url: str) -> AsyncIterator[Whole]:
    with base_directory() as base:
        async with fresh_database(postgres_url) as url, whole(url, base) as running:
            yield running


@pytest.fixture
def begun() -> tuple[str, str, int]:
    """The system, the phase that it is in and for how many seconds it has been."""
    return "ubuntu", "installing", 0


@pytest.fixture
async def machine(product: Whole, begun: tuple[str, str, int]) -> AsyncIterator[Installing]:
    """Its watcher runs and listens."""
    system, phase, seconds = begun
    machine_id = (await product.machine())["id"]
    ((host,),) = await product.rows(
        "INSERT INTO hosts (name, libvirt_uri) VALUES (%s, 'test:///default') RETURNING id", f"host {uuid4()}"
    )
    await product.connection.execute(
        "UPDATE machines SET host_id = %s, os = %s, status = 'running', status_reason = NULL WHERE id = %s",
        (host, system, machine_id),
    )
    await product.connection.execute(
        "UPDATE installations SET state = 'installing', phase = %s, phase_at = now() - make_interval(secs => %s),"
        " ended_at = NULL, reason = NULL WHERE machine_id = %s",
        (phase, seconds, machine_id),
    )
    guest, operations = SlowPort(), Asked()
    made = Installing(product, machine_id, guest, operations, _watcher(product, machine_id, guest, operations))
    running = asyncio.create_task(made.watcher.run())
    await made.guest.opened.wait()
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _watcher(product: Whole, machine_id: str, hypervisor: Any, engine: Any) -> Watcher:
    database = product.services.applications._database
    return Watcher(
        machine_id,
        database,
        hypervisor,
        engine,
        FlightRecorder(hypervisor, product.settings.infinibay_base_dir / "machines"),
        Reports(database),
        MachineSecrets(open_vault(product.settings.key_file)),
        Limits(boot=600, install=6000, first_boot=600),
    )


async def test_a_report_behind_the_power_off_counts(machine: Installing) -> None:
    await machine.powers_off()
    assert (await machine.state())[:2] == ("installing", "installing")

    machine.guest.said.put_nowait(_INSTALLED)
    machine.guest.said.put_nowait(None)

    await until(lambda: machine.operations.kinds, 5, "the end of the installer")
    assert machine.operations.kinds[0] == FINISH
    assert await machine.state() == ("installing", "ending", None)


async def test_the_end_of_the_port_tells_that_nothing_more_comes(
    machine: Installing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 600.0)
    await machine.powers_off()
    assert await machine.state() == ("installing", "installing", None)

    machine.guest.said.put_nowait(None)

    await until(lambda: _has_failed(machine), 5, "the failure")
    assert await machine.state() == ("failed", None, _OFF)


async def test_a_port_that_does_not_end_is_not_waited_for_without_end(
    machine: Installing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 0.05)
    await machine.powers_off()

    await until(lambda: _has_failed(machine), 5, "the failure")
    assert await machine.state() == ("failed", None, _OFF)


async def test_what_was_said_while_the_hypervisor_was_away_is_not_taken_for_silence(machine: Installing) -> None:
    machine.guest.is_away = True
    machine.guest.said.put_nowait(None)
    await until(lambda: not machine.watcher._listening, 5, "the end of the port")
    machine.watcher.noticed("connection")

    await machine.powers_off()

    await until(lambda: machine.operations.kinds, 5, "the end of the installer")
    assert await machine.state() == ("installing", "ending", None)


@pytest.mark.parametrize("begun", [("ubuntu", "booting", 700)])
async def test_an_installer_that_nobody_heard_begin_has_its_whole_time(machine: Installing) -> None:
    machine.guest.said.put_nowait(b'{"event":"started"}\n')

    await until(lambda: _is(machine, "installing", "installing"), 5, "the begin of the installer")
    assert machine.operations.kinds == []


@pytest.mark.parametrize("begun", [("ubuntu", "installing", 7000)])
async def test_a_guest_that_waited_for_the_server_is_heard_before_its_time_is_over(
    machine: Installing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 600.0)
    machine.guest.said.put_nowait(_INSTALLED)

    await until(lambda: _is(machine, "installing", "ending"), 5, "the end of the installer")


@pytest.mark.parametrize("begun", [("ubuntu", "installing", 7000)])
async def test_one_that_says_nothing_more_fails(machine: Installing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 0.05)
    machine.watcher.noticed("connection")

    await until(lambda: _has_failed(machine), 5, "the failure")
    assert await machine.state() == ("failed", None, "The installer did not finish within 6000 s")


@pytest.mark.parametrize("begun", [("windows10", "booting", 7000)])
async def test_windows_that_answers_has_come_to_its_first_logon(machine: Installing) -> None:
    machine.guest.has_agent = True
    machine.watcher.noticed("agent")

    await until(lambda: _is(machine, "installing", "first-boot"), 5, "the first boot")
    assert machine.operations.kinds == []


async def _is(machine: Installing, state: str, phase: str) -> bool:
    return await machine.state() == (state, phase, None)


async def _has_failed(machine: Installing) -> bool:
    return (await machine.state())[0] == "failed"

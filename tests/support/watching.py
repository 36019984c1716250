"""An installation whose watcher runs on a hypervisor and on operations that a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from infinibay.core.installing import Limits
from infinibay.errors import AgentUnresponsive, HypervisorUnavailable, MachineBusy
from infinibay.operations.api import NewOperation
from infinibay.secrets import open_vault
from infinibay.services.installations.recorder import FlightRecorder
from infinibay.services.installations.reports import Reports
from infinibay.services.installations.watcher import Watcher
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.virt.api import DomainInfo, DomainState
from tests.support.wait import until
from tests.support.whole import Whole


@dataclass
class SlowPort:
    """A hypervisor whose guest is off when it was told so, and whose report port gives what is put into `said`; None
    ends it."""

    said: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    seen_off: asyncio.Event = field(default_factory=asyncio.Event)
    is_off: bool = False
    is_paused: bool = False
    looks: int = 0
    is_away: bool = False
    has_agent: bool = False

    @property
    def domains(self) -> SlowPort:
        return self

    @property
    def guests(self) -> SlowPort:
        return self

    async def find(self, uuid: str) -> DomainInfo:
        self.looks += 1
        if self.is_off:
            self.seen_off.set()
            return DomainInfo(uuid, "a-guest", DomainState.SHUTOFF)
        return DomainInfo(uuid, "a-guest", DomainState.PAUSED if self.is_paused else DomainState.RUNNING)

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

    def __init__(self, state: str | None) -> None:
        """`state`: how all of them end; None refuses them."""
        self.kinds: list[str] = []
        self.state = state

    async def request(self, new: NewOperation) -> Any:
        self.kinds.append(new.kind)
        if self.state is None:
            raise MachineBusy("It is written down.")
        return SimpleNamespace(id=str(uuid4()))

    async def wait(self, _operation_id: str, _seconds: float) -> Any:
        return SimpleNamespace(state=self.state)


@dataclass
class Installing:
    """A machine that is being installed, which belongs to no host that anybody else watches."""

    product: Whole
    id: str
    guest: SlowPort
    operations: Asked
    watcher: Watcher

    async def asked(self, kind: str, state: str = "SUCCEEDED", *, at: str = "now()", step: str | None = None) -> None:
        """Somebody asked for this verb, which came to this state at this moment, by a failure in this step."""
        has_failed = state in ("FAILED", "CANCELLED")
        await self.product.connection.execute(
            "INSERT INTO operations (kind, state, host_id, machine_id, steps, created_at, enqueued_at, started_at,"
            " ended_at, failure_code, failure_message, failure_step) SELECT %(kind)s, %(state)s, host_id, id, 1,"
            f" {at}, {at}, {at}, CASE WHEN %(ended)s THEN {at} END, %(code)s, %(code)s, %(step)s"
            " FROM machines WHERE id = %(machine)s".encode(),
            {
                "kind": kind,
                "state": state,
                "ended": state not in ("QUEUED", "RUNNING"),
                "code": "CONFLICT" if has_failed else None,
                "step": step,
                "machine": self.id,
            },
        )

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

    async def is_in(self, phase: str) -> bool:
        return await self.state() == ("installing", phase, None)

    async def has_failed(self) -> bool:
        return (await self.state())[0] == "failed"

    async def looked_at(self) -> None:
        """Returns when the watcher has judged what holds now: the next but one look begins when the next has ended."""
        before = self.guest.looks

        def judged() -> bool:
            self.watcher.noticed("looked at")
            return self.guest.looks >= before + 3

        await until(judged, 10, "a look")


@asynccontextmanager
async def watched(
    product: Whole, system: str, phase: str, seconds: float = 0, *, ends: str | None = None
) -> AsyncIterator[Installing]:
    """A machine with this system that has been in this phase for so many seconds; its watcher runs and listens. `ends`:
    the state to which all comes that it asks for, None refuses it."""
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
    guest, operations = SlowPort(), Asked(ends)
    made = Installing(product, machine_id, guest, operations, _watcher(product, machine_id, guest, operations))
    running = asyncio.create_task(made.watcher.run())
    try:
        await made.guest.opened.wait()
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await product.connection.execute(
            "UPDATE operations SET state = 'SUCCEEDED', ended_at = now() WHERE machine_id = %s AND ended_at IS NULL",
            (machine_id,),
        )


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

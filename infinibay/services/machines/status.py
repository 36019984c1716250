"""Keeps the machines' status true: what libvirt reports, on every event and after every connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from weakref import WeakValueDictionary

from infinibay.core import naming
from infinibay.core.machine_status import MachineStatus
from infinibay.db import hosts, machines, operations
from infinibay.db.client import Database
from infinibay.errors import HypervisorError, Unavailable
from infinibay.libvirtxml import reader
from infinibay.log import get_logger
from infinibay.services.machines.records import DOMAIN_GONE, change_status, is_held
from infinibay.virt.api import ConnectionChanged, DomainInfo, DomainState, Hypervisor

log = get_logger(__name__)

_STATUS = {
    DomainState.RUNNING: MachineStatus.RUNNING,
    DomainState.PAUSED: MachineStatus.PAUSED,
    DomainState.SHUTOFF: MachineStatus.STOPPED,
    DomainState.CRASHED: MachineStatus.CRASHED,
}
_UNDEFINED = "The domain is no longer defined and vanishes when it stops; powerOn defines it again"
_RETRY_SECONDS = 1.0


class StatusKeeper:
    """Feeds the status of a host's machines from the hypervisor's events, never from a failed question."""

    def __init__(self, database: Database, hypervisor: Hypervisor, host_id: str) -> None:
        self._database = database
        self._hypervisor = hypervisor
        self._host_id = host_id
        self._task: asyncio.Task[None] | None = None
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def start(self) -> None:
        """Follows the hypervisor's events until `stop`."""
        self._task = asyncio.create_task(self._follow(), name="status-keeper")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async with self._hypervisor.events() as stream:
            async for event in stream:
                if isinstance(event, ConnectionChanged):
                    await self._until_written(self._connection_changed, event.connected)
                else:
                    await self._until_written(self.observe, event.uuid)

    async def _until_written(self, change: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Repeats while the database or the hypervisor is away: an event that was taken must not be lost."""
        while True:
            try:
                await change(*arguments)
                return
            except Unavailable as error:
                if arguments != (False,) and not self._hypervisor.connected:
                    return  # The next connection looks at everything anyway.
                log.warning("status.delayed", reason=error.message)
            except Exception:
                log.exception("status.failed")
                return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _connection_changed(self, connected: bool) -> None:
        await hosts.set_connected(self._database, self._host_id, connected=connected)
        if connected:
            await self.reconcile()

    async def reconcile(self) -> None:
        """Compares all machines with all domains, with one call to the hypervisor."""
        known = [machine.id for machine in await machines.of_host(self._database, self._host_id)]
        domains = {domain.uuid: domain for domain in await self._hypervisor.domains.list_all()}
        for machine_id in known:
            await self._record(machine_id, domains.get(machine_id), settle=False)
        self._report_foreign(domains.values(), set(known))

    async def observe(self, machine_id: str, operation_id: str | None = None) -> None:
        """Looks at one domain and records what it does."""
        await self._observe(machine_id, settle=False, operation_id=operation_id)

    async def settle(self, machine_id: str, operation_id: str | None = None) -> None:
        """The same at the end of an operation that owned the status."""
        await self._observe(machine_id, settle=True, operation_id=operation_id)

    async def _observe(self, machine_id: str, *, settle: bool, operation_id: str | None = None) -> None:
        # Who looks first writes first, or an operation's end could overwrite what an event has told since.
        turn = self._turns.setdefault(machine_id, asyncio.Lock())
        async with turn:
            if not settle:
                known = await machines.standing(self._database, machine_id)
                if known is None or is_held(known):
                    return
            domain = await self._hypervisor.domains.find(machine_id)
            await self._record(machine_id, domain, settle=settle, operation_id=operation_id)

    async def _record(
        self, machine_id: str, domain: DomainInfo | None, *, settle: bool, operation_id: str | None = None
    ) -> None:
        if domain is None and not settle:
            active = await operations.active(self._database, machine_id=machine_id, department_id=None)
            if any(operation.id != operation_id for operation in active):
                return  # Another operation removes it or defines it; its end tells what became of it.
        if domain is not None and domain.starting and not settle:
            return  # The event `started` follows; after a start that fails, all is as before.
        status, reason = await self._judge(machine_id, domain)
        screen = await self._screen(domain)
        async with self._database.tx() as tx:
            await change_status(
                tx, machine_id, status, reason=reason, screen=screen, settle=settle, operation_id=operation_id
            )

    async def _judge(self, machine_id: str, domain: DomainInfo | None) -> tuple[MachineStatus, str | None]:
        if domain is None:
            return MachineStatus.FAILED, f"{DOMAIN_GONE}; powerOn defines it again"
        status = _STATUS[domain.state]
        if status is MachineStatus.CRASHED or domain.broken:
            return MachineStatus.CRASHED, await self._last_words(machine_id) or domain.reason
        if not domain.persistent:
            return status, _UNDEFINED
        if domain.name != naming.domain_name(machine_id):
            return status, f"The hypervisor calls the domain {domain.name!r}"
        return status, None

    async def _last_words(self, machine_id: str) -> str | None:
        """The last line in which QEMU, or libvirt beside it, tells of a failure of this run."""
        said = await self._hypervisor.domains.complaints(machine_id)
        telling = [line for line in said if "error" in line.lower() or "crashed" in line.lower()]
        return telling[-1] if telling else None

    async def _screen(self, domain: DomainInfo | None) -> int | None:
        """The port that is kept beside the status, so that lists need no call to the hypervisor."""
        if domain is None or domain.state not in (DomainState.RUNNING, DomainState.PAUSED):
            return None
        try:
            return reader.graphics_port(await self._hypervisor.domains.xml(domain.uuid))
        except HypervisorError as error:
            log.info("status.graphics_unknown", machine_id=domain.uuid, reason=error.message)
            return None

    def _report_foreign(self, domains: Iterable[DomainInfo], ours: set[str]) -> None:
        foreign = sorted(domain.name for domain in domains if domain.uuid not in ours)
        if foreign:
            log.info("status.foreign_domains", names=foreign)

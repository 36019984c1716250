"""The libvirt implementation of `infinibay.virt.api.Hypervisor`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import libvirt

from infinibay.errors import Unsupported
from infinibay.virt import capabilities, kvm_probe
from infinibay.virt.api import Capabilities, HypervisorEvent, KvmVerdict
from infinibay.virt.connection import Connection, Deadlines, Kind
from infinibay.virt.domains import LibvirtDomains
from infinibay.virt.guests import LibvirtGuests
from infinibay.virt.networks import LibvirtNetworks
from infinibay.virt.nwfilters import LibvirtNwFilters
from infinibay.virt.storage import LibvirtStorage

_QEMU_LOG_DIR = Path("/var/log/libvirt/qemu")


@dataclass(frozen=True)
class _Explored:
    """What one connection was asked for once; `generation` is the connection's."""

    generation: int
    capabilities: Capabilities
    qemu_owner: tuple[int, int] | None


class LibvirtHypervisor:
    """One libvirt URI. `run_dir` keeps what is true until the host's next boot; `log_dir` is where QEMU's logs lie."""

    def __init__(
        self,
        uri: str,
        run_dir: Path,
        *,
        deadlines: Deadlines | None = None,
        log_dir: Path = _QEMU_LOG_DIR,
    ) -> None:
        self._connection = Connection(uri, deadlines or Deadlines())
        self._domains = LibvirtDomains(self._connection, log_dir)
        self._guests = LibvirtGuests(self._connection)
        self._storage = LibvirtStorage(self._connection)
        self._networks = LibvirtNetworks(self._connection)
        self._nwfilters = LibvirtNwFilters(self._connection)
        self._kvm_probe = kvm_probe.KvmProbe(run_dir)
        self._explored: _Explored | None = None
        self._exploring = asyncio.Lock()

    @property
    def domains(self) -> LibvirtDomains:
        return self._domains

    @property
    def guests(self) -> LibvirtGuests:
        return self._guests

    @property
    def storage(self) -> LibvirtStorage:
        return self._storage

    @property
    def networks(self) -> LibvirtNetworks:
        return self._networks

    @property
    def nwfilters(self) -> LibvirtNwFilters:
        return self._nwfilters

    @property
    def connected(self) -> bool:
        return self._connection.connected

    async def open(self) -> None:
        await self._connection.open()

    async def close(self) -> None:
        await self._connection.close()

    async def ping(self) -> None:
        await self._connection.call(Kind.QUERY, lambda connection: connection.getLibVersion())

    async def capabilities(self) -> Capabilities:
        return (await self._explore()).capabilities

    async def _explore(self) -> _Explored:
        """Asks once per connection, so that afterwards nobody waits behind starts and storage for what is known."""
        async with self._exploring:
            generation = self._connection.generation
            if self._explored is None or self._explored.generation != generation:
                found, owner = await self._connection.call(Kind.CHANGE, _look, counted_as=capabilities.probe)
                self._explored = _Explored(generation, found, owner)
            return self._explored

    async def domain_type(self, wanted: str) -> str:
        """Raises Unsupported for a type that the hypervisor does not list."""
        offered = (await self.capabilities()).domain_types
        if offered == ("test",):
            return "test"
        if wanted != "auto":
            if wanted not in offered:
                raise Unsupported(f"The hypervisor does not offer domains of the type {wanted}.")
            return wanted
        return "kvm" if (await self.kvm_verdict()).works else "qemu"

    async def kvm_verdict(self) -> KvmVerdict:
        known = await self._explore()
        if "kvm" not in known.capabilities.domain_types:
            return KvmVerdict(works=False, reason="The hypervisor of this host does not offer KVM.")
        if not self._connection.is_local:
            return KvmVerdict(works=False, reason="Whether KVM runs a guest can only be tried on the host itself.")
        return await self._kvm_probe.verdict(known.capabilities.hypervisor_version, known.qemu_owner)

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[HypervisorEvent]]:
        return self._connection.subscriptions.subscribe()


def _look(connection: libvirt.virConnect) -> tuple[Capabilities, tuple[int, int] | None]:
    return capabilities.probe(connection), kvm_probe.qemu_owner(connection.getCapabilities())

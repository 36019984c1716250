"""What the product asks of a hypervisor: values and protocols, no implementation.

Every method raises the HypervisorError classes of `infinibay.errors` (ObjectMissing, WrongState, ObjectExists,
Unsupported, HostFailure, DeadlineExceeded, HypervisorUnavailable …) and nothing else. Objects are named by id or
name; coroutines never see a libvirt object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class DomainState(StrEnum):
    """libvirt's states, reduced to what we tell apart."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTOFF = "shutoff"
    CRASHED = "crashed"


@dataclass(frozen=True)
class DomainInfo:
    """A domain as libvirt sees it. `broken` is true for a pause that nobody asked for (PAUSED/UNKNOWN: KVM failed),
    `stalled` for one by a disk error, `died` for a crash that left no QEMU behind; `starting` is true while libvirt
    still holds the guest at its start, which looks like a pause.

    One that is not `persistent` runs without a definition, and vanishes when it stops.
    """

    uuid: str
    name: str
    state: DomainState
    broken: bool = False
    reason: str | None = None
    persistent: bool = True
    stalled: bool = False
    died: bool = False
    starting: bool = False

    @property
    def is_off(self) -> bool:
        """Whether it has no QEMU."""
        return self.state is DomainState.SHUTOFF or self.died


@dataclass(frozen=True)
class DomainChanged:
    """Something happened to this domain; look at it. `detail` is libvirt's word (`started`, `stopped`, `defined` …)."""

    uuid: str
    detail: str


@dataclass(frozen=True)
class ConnectionChanged:
    """The connection to the hypervisor went down or came (back) up; after `connected` everything must be looked at."""

    connected: bool


HypervisorEvent = DomainChanged | ConnectionChanged


@dataclass(frozen=True)
class PoolInfo:
    """A storage pool; sizes in bytes."""

    name: str
    path: str
    active: bool
    capacity: int
    available: int


@dataclass(frozen=True)
class VolumeInfo:
    """A volume; `path` is libvirt's answer; sizes in bytes."""

    name: str
    path: str
    capacity: int
    allocation: int


@dataclass(frozen=True)
class Capabilities:
    """What this host's hypervisor offers, probed once per connection. `domain_types` is the order of preference.

    `cpu_modes` and `max_vcpus` hold for every domain type of the host.
    """

    domain_types: tuple[str, ...]
    machine_type: str
    max_vcpus: int
    host_cpus: int
    host_memory_kib: int
    efi: bool
    secure_boot: bool
    efi_code: str | None
    efi_vars: str | None
    secure_code: str | None
    secure_vars: str | None
    tpm: bool
    nwfilter: bool
    graphics: tuple[str, ...]
    video_models: tuple[str, ...]
    cpu_modes: tuple[str, ...]
    hypervisor_version: str
    libvirt_version: str


@dataclass(frozen=True)
class KvmVerdict:
    """Whether KVM really runs a guest on this host, and a sentence that says how that was found."""

    works: bool
    reason: str


class Domains(Protocol):
    """Domains, by UUID."""

    async def find(self, uuid: str) -> DomainInfo | None: ...
    async def list_all(self) -> list[DomainInfo]: ...
    async def define(self, xml: str) -> DomainInfo: ...
    async def start(self, uuid: str) -> None: ...
    async def shutdown(self, uuid: str) -> None:
        """Asks the guest to power off (ACPI); returns at once."""

    async def reboot(self, uuid: str) -> None:
        """Asks the guest to restart; returns at once."""

    async def reset(self, uuid: str) -> None: ...
    async def suspend(self, uuid: str) -> None: ...
    async def resume(self, uuid: str) -> None: ...
    async def destroy(self, uuid: str) -> None:
        """Pulls the plug. WrongState when it does not run."""

    async def undefine(self, uuid: str) -> None:
        """With everything libvirt keeps for it: managed save, snapshot metadata, checkpoints, NVRAM, TPM state."""

    async def xml(self, uuid: str, *, inactive: bool = False, secure: bool = False) -> str: ...
    async def log_tail(self, uuid: str, lines: int = 20) -> list[str]:
        """The last lines of QEMU's log for the domain; empty where it can't be read."""

    async def complaints(self, uuid: str) -> list[str]:
        """What QEMU, or libvirt beside it, wrote into that log since the last start."""

    async def eject(self, uuid: str, target: str) -> None:
        """Takes the medium out of a running domain's CD-ROM drive."""


class Guests(Protocol):
    """What can be asked of the guest in a domain, by the domain's UUID."""

    async def agent_command(self, uuid: str, command: str, seconds: int = 5) -> str:
        """Sends JSON to the guest agent and returns its JSON. AgentUnresponsive when none answers."""

    def listen(self, uuid: str, port: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """What the guest writes to a virtio-serial port, in pieces; the iterator ends when the domain stops or the
        connection is lost. Nobody else can listen meanwhile. WrongState for a domain that does not run."""

    async def screenshot(self, uuid: str) -> bytes:
        """The screen as PNG. Unsupported for a domain without one, WrongState for one that does not run."""


class Storage(Protocol):
    """Pools and volumes, by name."""

    async def find_pool(self, name: str) -> PoolInfo | None: ...
    async def ensure_pool(self, name: str, path: str, *, exactly: bool = True) -> PoolInfo:
        """Makes a missing dir pool, starts a stopped one, sets autostart. Conflict when its path is another, unless
        it need not be `exactly` this one."""

    async def refresh(self, pool: str) -> None: ...
    async def find_volume(self, pool: str, name: str) -> VolumeInfo | None: ...
    async def list_volumes(self, pool: str) -> list[VolumeInfo]: ...
    async def create_volume(self, pool: str, xml: str, *, preallocate_metadata: bool) -> VolumeInfo: ...
    async def delete_volume(self, pool: str, name: str) -> None: ...


class Networks(Protocol):
    """Virtual networks, by name."""

    async def is_active(self, name: str) -> bool | None:
        """None when there is no such network."""

    async def start(self, name: str) -> None: ...


class NwFilters(Protocol):
    """Network filters, by name."""

    async def find_xml(self, name: str) -> str | None: ...
    async def list_names(self) -> list[str]: ...
    async def define(self, xml: str) -> None: ...
    async def undefine(self, name: str) -> None: ...


class Hypervisor(Protocol):
    """One hypervisor through one connection that heals itself."""

    @property
    def domains(self) -> Domains: ...
    @property
    def guests(self) -> Guests: ...
    @property
    def storage(self) -> Storage: ...
    @property
    def networks(self) -> Networks: ...
    @property
    def nwfilters(self) -> NwFilters: ...

    @property
    def connected(self) -> bool: ...
    async def open(self) -> None:
        """Starts the event loop thread and the connection's keeper; returns even while the hypervisor is down."""

    async def close(self) -> None: ...
    async def ping(self) -> None:
        """One cheap call. Raises HypervisorUnavailable."""

    async def capabilities(self) -> Capabilities: ...
    async def domain_type(self, wanted: str) -> str:
        """`auto` → kvm where KVM really runs a guest (tried once per host boot), else qemu; `test` on that driver.

        Raises Unsupported when the hypervisor does not offer the wanted type.
        """

    async def kvm_verdict(self) -> KvmVerdict:
        """Whether KVM really runs a guest, with the reason, for doctor and for a machine's plan."""

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[HypervisorEvent]]:
        """A subscription; the first event tells the present state of the connection."""

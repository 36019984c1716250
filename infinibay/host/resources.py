"""What this machine has and what of it is free."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

# Of a network that documents use: a datagram socket that is connected to it chooses its own address and sends nothing.
_ELSEWHERE = ("192.0.2.1", 9)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class HostResources:
    """Logical CPUs, their use in percent since the last call (0.0 the first time), and memory in bytes."""

    cpus: int
    cpu_percent: float
    memory_total: int
    memory_available: int


@dataclass(frozen=True)
class DiskSpace:
    """The file system that holds `path`; sizes in bytes, `free` is what an ordinary account may use."""

    path: Path
    total: int
    free: int


def resources() -> HostResources:
    memory = psutil.virtual_memory()
    return HostResources(
        cpus=psutil.cpu_count() or 1,
        cpu_percent=psutil.cpu_percent(),
        memory_total=memory.total,
        memory_available=memory.available,
    )


def disk_space(path: Path) -> DiskSpace:
    """Space where `path` lies or, while it does not exist yet, where it will lie. Raises OSError."""
    existing = path
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    usage = psutil.disk_usage(str(existing))
    return DiskSpace(path, usage.total, usage.free)


def boot_id() -> str:
    """The kernel's name for this boot; another after each restart of the host."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def own_address() -> str | None:
    """The IPv4 address from which this machine reaches others; None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return address

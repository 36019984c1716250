"""The operating systems that can be installed and what each wants from its machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """Systems that share an installer."""

    WINDOWS = "windows"
    UBUNTU = "ubuntu"
    REDHAT = "redhat"
    DEBIAN = "debian"


@dataclass(frozen=True)
class OperatingSystem:
    """One system. `name` is the word in the database and of its ISO (`<name>.iso`); it needs at least these GB."""

    name: str
    title: str
    family: Family
    secure_boot: bool = False
    tpm: bool = False
    least_ram_gb: int = 1
    least_disk_gb: int = 1

    @property
    def iso_name(self) -> str:
        return f"{self.name}.iso"

    @property
    def is_windows(self) -> bool:
        return self.family is Family.WINDOWS


_ALL = (
    OperatingSystem("windows10", "Windows 10", Family.WINDOWS, least_ram_gb=2, least_disk_gb=32),
    OperatingSystem(
        "windows11", "Windows 11", Family.WINDOWS, secure_boot=True, tpm=True, least_ram_gb=4, least_disk_gb=64
    ),
    OperatingSystem("ubuntu", "Ubuntu", Family.UBUNTU),
    OperatingSystem("fedora", "Fedora", Family.REDHAT),
    OperatingSystem("rhel", "Red Hat Enterprise Linux", Family.REDHAT),
    OperatingSystem("rocky", "Rocky Linux", Family.REDHAT),
    OperatingSystem("alma", "AlmaLinux", Family.REDHAT),
    OperatingSystem("debian", "Debian", Family.DEBIAN),
)

# The medium of the virtio-win project, without which Windows sees neither its disk nor the network.
DRIVERS_ISO = "virtio-win.iso"
OPERATING_SYSTEMS = {system.name: system for system in _ALL}

"""What this machine offers to a hypervisor, as its kernel tells it."""

from __future__ import annotations

import ctypes
import grp
import os
import socket
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_TIME_ERROR = 5
# Longer than the kernel's struct timex, which begins with `modes`: 0 asks and changes nothing.
_TIMEX_BYTES = 1024
_BRIDGE_FILTERS = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")
_libc = ctypes.CDLL(None)


class InterfaceKind(StrEnum):
    """What a network interface is to a virtual machine."""

    BRIDGE = "bridge"
    OTHER = "other"


@dataclass(frozen=True)
class KvmDevice:
    """/dev/kvm: the name of its group, and its permission bits."""

    group: str
    mode: int

    @property
    def is_open(self) -> bool:
        """Whether QEMU's account, a member of the group kvm, may use it."""
        of_group = self.group == "kvm" and self.mode & 0o060 == 0o060
        return of_group or self.mode & 0o006 == 0o006


class HostFacts:
    """Reads below `root`, which is another directory than `/` in tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def virtualization_flag(self) -> str | None:
        """The processor's flag for virtualization, `vmx` (Intel) or `svm` (AMD); None when it shows neither."""
        flags = self._cpu_flags()
        return next((flag for flag in ("vmx", "svm") if flag in flags), None)

    def is_virtual(self) -> bool:
        """Whether this machine is itself a guest."""
        return "hypervisor" in self._cpu_flags()

    def is_intel(self) -> bool:
        return "GenuineIntel" in self._text("proc/cpuinfo")

    def kvm_device(self) -> KvmDevice | None:
        try:
            found = (self._root / "dev/kvm").stat()
        except FileNotFoundError:
            return None
        try:
            group = grp.getgrgid(found.st_gid).gr_name
        except KeyError:
            group = str(found.st_gid)
        return KvmDevice(group, found.st_mode & 0o777)

    def nested(self) -> bool:
        """Whether KVM lets guests run guests of their own."""
        parameters = (self._root / "sys/module").glob("kvm_*/parameters/nested")
        return any(file.read_text().strip() in {"1", "Y"} for file in parameters)

    def iommu_groups(self) -> int:
        return len(list((self._root / "sys/kernel/iommu_groups").glob("*")))

    def unfiltered_bridging(self) -> list[str]:
        """The kernel's switches that are off, and so let bridged packets bypass the packet filter."""
        folder = self._root / "proc/sys/net/bridge"
        return [f"net.bridge.{name}" for name in _BRIDGE_FILTERS if not self._is_on(folder / name)]

    def interface(self, name: str) -> InterfaceKind | None:
        """None when there is no network interface of this name."""
        place = self._root / "sys/class/net" / name
        if not place.exists():
            return None
        return InterfaceKind.BRIDGE if (place / "bridge").is_dir() else InterfaceKind.OTHER

    def has_systemd(self) -> bool:
        """Whether systemd runs this machine."""
        return (self._root / "run/systemd/system").is_dir()

    def listens(self, unix_socket: str) -> bool:
        """Whether somebody listens on a socket; a refusal for lack of rights is an answer too."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self._root / unix_socket.lstrip("/")))
            except PermissionError:
                return True
            except OSError:
                return False
        return True

    def _cpu_flags(self) -> set[str]:
        lines = self._text("proc/cpuinfo").splitlines()
        return {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}

    def _text(self, path: str) -> str:
        return (self._root / path).read_text(encoding="utf-8", errors="replace")

    def _is_on(self, file: Path) -> bool:
        return file.is_file() and file.read_text().strip() == "1"


def is_root() -> bool:
    """Whether this process may do everything on this machine."""
    return os.geteuid() == 0


def clock_is_synchronized() -> bool:
    """Whether something keeps the kernel's clock right."""
    return int(_libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))) not in {_TIME_ERROR, -1}

"""QEMU's own log of a domain: what it said when it did not start or stopped by itself."""

from __future__ import annotations

from pathlib import Path

_READ_AT_MOST = 64 * 1024
_KVM_FAILURES = ("KVM internal error", "emulation failure", "KVM: entry failed", "kvm run failed")


def tail(path: Path, lines: int) -> list[str]:
    """The last lines; empty where the file is absent or may not be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _READ_AT_MOST))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def complaints(log: list[str]) -> list[str]:
    """What QEMU said since the last start, without the command line that libvirt writes there first."""
    last_start = max((number for number, line in enumerate(log) if ": starting up libvirt" in line), default=-1)
    said: list[str] = []
    in_command = False
    for line in log[last_start + 1 :]:
        is_command = in_command or line.endswith("\\")
        in_command = line.endswith("\\")
        if not is_command:
            said.append(line)
    return said


def kvm_failure(log: list[str]) -> str | None:
    """The sentence with which KVM gave up, if the log has one."""
    found = [line.strip() for line in complaints(log) if any(words in line for words in _KVM_FAILURES)]
    return "; ".join(dict.fromkeys(found)) or None

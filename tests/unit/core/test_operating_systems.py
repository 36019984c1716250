"""The systems that can be installed, and the words of their status."""

from __future__ import annotations

from infinibay.core.machine_status import OWNED_BY_OPERATIONS, MachineStatus
from infinibay.core.operating_systems import OPERATING_SYSTEMS, Family


def test_the_systems() -> None:
    assert list(OPERATING_SYSTEMS) == [
        *("windows10", "windows11", "ubuntu", "fedora", "rhel", "rocky", "alma", "debian")
    ]
    assert {name: system.family for name, system in OPERATING_SYSTEMS.items()} == {
        "windows10": Family.WINDOWS,
        "windows11": Family.WINDOWS,
        "ubuntu": Family.UBUNTU,
        "fedora": Family.REDHAT,
        "rhel": Family.REDHAT,
        "rocky": Family.REDHAT,
        "alma": Family.REDHAT,
        "debian": Family.DEBIAN,
    }
    assert OPERATING_SYSTEMS["fedora"].iso_name == "fedora.iso"
    assert [name for name, system in OPERATING_SYSTEMS.items() if system.is_windows] == ["windows10", "windows11"]


def test_only_windows_11_wants_secure_boot_and_a_tpm() -> None:
    assert [name for name, system in OPERATING_SYSTEMS.items() if system.secure_boot] == ["windows11"]
    assert [name for name, system in OPERATING_SYSTEMS.items() if system.tpm] == ["windows11"]


def test_the_status_words() -> None:
    assert [str(status) for status in MachineStatus] == [
        "building",
        "running",
        "paused",
        "stopped",
        "crashed",
        "failed",
    ]
    assert {MachineStatus.BUILDING, MachineStatus.FAILED} == OWNED_BY_OPERATIONS

"""The kernel's files of hosts that this machine is not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from infinibay.host.facts import HostFacts, InterfaceKind, KvmDevice


def host(root: Path, **files: str) -> HostFacts:
    """A host with these files; `__` stands for a slash."""
    for name, text in files.items():
        file = root / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return HostFacts(root)


@pytest.mark.parametrize(
    ("cpuinfo", "flag", "virtual", "intel"),
    [
        ("vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx sse\n", "vmx", False, True),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm hypervisor\n", "svm", True, False),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: fpu vmxnet svm_lock\n", None, False, False),
    ],
)
def test_the_processor(tmp_path: Path, cpuinfo: str, flag: str | None, *, virtual: bool, intel: bool) -> None:
    facts = host(tmp_path, proc__cpuinfo=cpuinfo)
    assert (facts.virtualization_flag(), facts.is_virtual(), facts.is_intel()) == (flag, virtual, intel)


def test_the_device_of_kvm(tmp_path: Path) -> None:
    facts = HostFacts(tmp_path)
    assert facts.kvm_device() is None
    host(tmp_path, dev__kvm="")
    (tmp_path / "dev/kvm").chmod(0o600)
    found = facts.kvm_device()
    assert found is not None
    assert (found.mode, found.is_open) == (0o600, False)


@pytest.mark.parametrize(
    ("group", "mode", "is_open"),
    [("kvm", 0o660, True), ("root", 0o660, False), ("root", 0o666, True), ("kvm", 0o640, False)],
)
def test_who_may_use_kvm(group: str, mode: int, *, is_open: bool) -> None:
    assert KvmDevice(group, mode).is_open is is_open


def test_nested_virtualization(tmp_path: Path) -> None:
    assert HostFacts(tmp_path).nested() is False
    assert host(tmp_path, sys__module__kvm_intel__parameters__nested="N\n").nested() is False
    assert host(tmp_path, sys__module__kvm_amd__parameters__nested="1\n").nested() is True


def test_groups_of_the_iommu(tmp_path: Path) -> None:
    assert HostFacts(tmp_path).iommu_groups() == 0
    for number in range(3):
        (tmp_path / "sys/kernel/iommu_groups" / str(number)).mkdir(parents=True)
    assert HostFacts(tmp_path).iommu_groups() == 3


def test_switches_of_bridge_filtering(tmp_path: Path) -> None:
    both = ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"]
    assert HostFacts(tmp_path).unfiltered_bridging() == both
    folder = tmp_path / "proc/sys/net/bridge"
    folder.mkdir(parents=True)
    (folder / "bridge-nf-call-iptables").write_text("1\n")
    (folder / "bridge-nf-call-ip6tables").write_text("0\n")
    assert HostFacts(tmp_path).unfiltered_bridging() == both[1:]


def test_interfaces(tmp_path: Path) -> None:
    (tmp_path / "sys/class/net/br0/bridge").mkdir(parents=True)
    (tmp_path / "sys/class/net/eth0").mkdir()
    facts = HostFacts(tmp_path)
    kinds = [facts.interface(name) for name in ("br0", "eth0", "br1")]
    assert kinds == [InterfaceKind.BRIDGE, InterfaceKind.OTHER, None]


def test_who_listens(tmp_path: Path) -> None:
    facts = HostFacts(tmp_path)
    assert facts.listens("/s") is False
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert facts.listens("/s") is False
        server.listen()
        assert facts.listens("/s") is True


def test_systemd(tmp_path: Path) -> None:
    assert HostFacts(tmp_path).has_systemd() is False
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert HostFacts(tmp_path).has_systemd() is True


def test_this_machine_can_be_read() -> None:
    facts = HostFacts()
    assert facts.is_intel() is ("GenuineIntel" in Path("/proc/cpuinfo").read_text())
    assert (facts.kvm_device() is not None) is Path("/dev/kvm").exists()

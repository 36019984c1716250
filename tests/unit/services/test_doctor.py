"""The doctor's checks of the machine itself: what is wrong is named, and the command that it names mends it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infinibay.bootstrap.foundation import make_directories
from infinibay.host.facts import HostFacts, is_root
from infinibay.secrets import open_vault
from infinibay.services.doctor import CheckState, HostCheck
from infinibay.services.doctor.hypervisor import HypervisorChecks
from infinibay.services.doctor.this_host import ThisHost, space
from infinibay.settings import Settings
from infinibay.unattended.media.programs import PACKAGES
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.databases import base_directory, settings_below


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Of a base directory as the first start leaves it."""
    with base_directory() as base:
        made = settings_below(base)
        make_directories(made)
        open_vault(made.key_file)
        yield made


def report(settings: Settings, root: Path = Path("/")) -> dict[str, HostCheck]:
    this_host = ThisHost(settings, HostFacts(root), settings.infinibay_base_dir / ".env")
    return {check.name: check for check in this_host.report()}


def mend(check: HostCheck) -> None:
    assert check.remedy is not None
    subprocess.run(["bash", "-euc", check.remedy], check=True)


def test_a_base_directory_as_it_should_be(settings: Settings) -> None:
    found = report(settings)
    assert [found[name].state for name in ("base directory", "secrets")] == [CheckState.OK] * 2
    assert [found[name].remedy for name in ("base directory", "secrets")] == [None] * 2


def test_a_base_directory_that_is_to_be_made(tmp_path: Path) -> None:
    found = report(settings_below(tmp_path / "later"))
    assert found["secrets"].evidence == f"{tmp_path}/later/secrets/key is made with the first start"
    assert not (tmp_path / "later").exists()


def test_a_folder_that_qemu_can_t_pass(settings: Settings) -> None:
    settings.infinibay_iso_dir.chmod(0o700)
    found = report(settings)["base directory"]
    assert found.state is CheckState.WARNING
    assert f"can't pass {settings.infinibay_iso_dir} (mode 0700)" in found.evidence
    mend(found)
    assert report(settings)["base directory"].state is CheckState.OK


@pytest.mark.parametrize("opened", ["key", "folder", "first password", "settings"])
def test_secrets_that_others_can_read(settings: Settings, opened: str) -> None:
    places = {
        "key": settings.key_file,
        "folder": settings.key_file.parent,
        "first password": settings.first_admin_file,
        "settings": settings.infinibay_base_dir / ".env",
    }
    place = places[opened]
    if not place.exists():
        place.write_text("TOKENKEY=0123456789abcdef\n")
    place.chmod(0o755 if place.is_dir() else 0o644)

    found = report(settings)["secrets"]

    assert found.state is CheckState.FAILED
    assert found.evidence.startswith(f"other accounts can read {place} (mode")
    assert "0123456789abcdef" not in str(found)
    mend(found)
    assert report(settings)["secrets"].state is not CheckState.FAILED


def test_settings_without_a_secret_may_be_read(settings: Settings) -> None:
    (settings.infinibay_base_dir / ".env").write_text("PORT=4001\nTOKENKEY=\n")
    (settings.infinibay_base_dir / ".env").chmod(0o644)
    assert report(settings)["secrets"].state is CheckState.OK


def test_a_first_password_that_was_never_changed(settings: Settings) -> None:
    settings.first_admin_file.write_text("secret")
    settings.first_admin_file.chmod(0o600)
    found = report(settings)["secrets"]
    assert found.state is CheckState.WARNING
    assert found.remedy == "scripts/infinibay user password admin@example.com"


def test_media(settings: Settings) -> None:
    found = report(settings)["media"]
    assert (found.state, found.evidence) == (
        CheckState.WARNING,
        f"no installation ISO in {settings.infinibay_iso_dir}",
    )
    (settings.infinibay_iso_dir / "fedora.iso").write_bytes(b"medium")
    assert report(settings)["media"].evidence == f"fedora.iso in {settings.infinibay_iso_dir}"


@pytest.mark.parametrize("name", ["windows11.iso", "Win11_24H2_English_x64.iso", "en-us_windows_11_x64.iso"])
def test_windows_needs_its_drivers(settings: Settings, name: str) -> None:
    folder = settings.infinibay_iso_dir
    (folder / "ubuntu.iso").write_bytes(b"medium")
    found = report(settings)["windows drivers"]
    assert (found.state, found.evidence) == (CheckState.OK, "there is no medium of Windows")
    (folder / name).write_bytes(b"medium")
    found = report(settings)["windows drivers"]
    assert (found.state, found.evidence) == (
        CheckState.WARNING,
        f"{name} can't be installed without virtio-win.iso",
    )
    assert found.remedy == f"Put the ISO of the virtio-win project into {folder} as virtio-win.iso"
    (folder / "virtio-win.iso").write_bytes(b"drivers")
    assert report(settings)["windows drivers"].state is CheckState.OK


def test_the_drivers_alone_install_nothing(settings: Settings) -> None:
    (settings.infinibay_iso_dir / "virtio-win.iso").write_bytes(b"drivers")
    assert report(settings)["media"].state is CheckState.WARNING


def test_the_programs_that_make_media(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are missing are brought by the named packages, which a fresh host gets by the preparation."""
    assert report(settings)["media programs"].state is CheckState.OK
    for program in ("xorriso", "qemu-img"):
        (tmp_path / program).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = report(settings)["media programs"]
    assert (found.state, found.evidence) == (CheckState.FAILED, "mdir, mtype, mcopy, qemu-io missing")
    assert found.remedy == "apt-get install mtools qemu-utils"
    always = Path("scripts/prepare").read_text().partition("packages=(")[2].partition(")")[0].split()
    assert set(PACKAGES.values()) <= set(always)


def test_space(tmp_path: Path) -> None:
    """/proc has no space at all."""
    assert space("space", Path("/proc")).state is CheckState.FAILED
    assert space("space", tmp_path / "later").evidence.endswith(f"GB are free in {tmp_path}/later")


def test_a_host_that_has_nothing(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("vendor_id : GenuineIntel\nflags : fpu\n")
    found = report(settings, tmp_path)
    names = ("cpu", "kvm device", "bridge filtering", "iommu")
    assert {found[name].state for name in names} == {CheckState.WARNING}
    assert found["cpu"].remedy == "Turn on Intel VT-x or AMD-V in the firmware's setup"
    assert found["kvm device"].remedy == "modprobe kvm_intel"
    assert "GRUB_CMDLINE_LINUX" in (found["iommu"].remedy or "")
    assert (found["bridge filtering"].remedy or "").startswith("modprobe br_netfilter && sysctl -w net.bridge.")


def test_a_host_that_has_everything(settings: Settings, tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": "flags : svm\n",
        "dev/kvm": "",
        "sys/module/kvm_amd/parameters/nested": "1",
        "proc/sys/net/bridge/bridge-nf-call-iptables": "1\n",
        "proc/sys/net/bridge/bridge-nf-call-ip6tables": "1\n",
        "sys/kernel/iommu_groups/0": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "dev/kvm").chmod(0o666)
    found = report(settings, tmp_path)
    names = ("cpu", "kvm device", "bridge filtering", "iommu")
    assert {name: found[name].state for name in names} == dict.fromkeys(names, CheckState.OK)
    assert found["kvm device"].evidence.endswith("mode 0666; guests may run guests")


def test_what_can_t_be_read_is_a_finding(settings: Settings, tmp_path: Path) -> None:
    """Here there is no /proc/cpuinfo at all."""
    found = report(settings, tmp_path)["cpu"]
    assert found.state is CheckState.WARNING
    assert found.evidence.startswith("can't be looked at: ")


@pytest.mark.parametrize(("systemd", "remedy"), [(False, "virtlogd -d"), (True, "systemctl start virtlogd")])
async def test_the_log_daemon_is_away(settings: Settings, tmp_path: Path, *, systemd: bool, remedy: str) -> None:
    """Together with libvirtd, which is not even asked for here."""
    if systemd:
        (tmp_path / "run/systemd/system").mkdir(parents=True)
    hypervisor = LibvirtHypervisor(settings.libvirt_uri, settings.run_dir)
    checks = await HypervisorChecks(settings, hypervisor, HostFacts(tmp_path)).report(None)
    found = {check.name: check for check in checks}
    assert found["virtlogd"].state is found["hypervisor"].state is CheckState.FAILED
    assert found["virtlogd"].remedy == remedy
    assert found["other domains"].evidence == "not known, see hypervisor"


async def test_a_libvirtd_that_is_there_and_does_not_answer(settings: Settings, tmp_path: Path) -> None:
    """It is restarted, not started; whoever may not is told to look as root."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / "run/libvirt").mkdir()
    hypervisor = LibvirtHypervisor(settings.libvirt_uri, settings.run_dir)
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.bind(str(tmp_path / "run/libvirt/libvirt-sock"))
        stuck.listen()
        found = (await HypervisorChecks(settings, hypervisor, HostFacts(tmp_path)).report(None))[0]
    assert found.name == "hypervisor"
    assert found.remedy == ("systemctl restart libvirtd" if is_root() else "sudo scripts/infinibay doctor")

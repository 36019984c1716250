"""Debian itself: its installer, and a system with cloud-init; built from the distribution's packages and kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support import guest_parts
from tests.support.guest_parts import CACHE
from tests.support.packages import run, unpack

_RELEASE, _MIRROR = "bookworm", "http://deb.debian.org/debian"
_INSTALLER = "debian-installer-12-netboot-amd64"
_SYSTEM = (
    *("linux-image-amd64", "systemd-sysv", "udev", "dbus", "cloud-init", "qemu-guest-agent"),
    # Needed through a virtual package, which debootstrap does not look for.
    "python3-cffi-backend",
)
_DISK_BYTES = 3 * 1024**3


@dataclass(frozen=True)
class Debian:
    """What is booted directly, and the raw image of the root file system; the installer has none."""

    kernel: Path
    initrd: Path
    disk: Path | None = None


def debian_installer(cache: Path = CACHE) -> Debian:
    """The network installer of Debian 12 as its package has it (130 MB to download)."""
    folder = _kept(cache, "debian-installer", _unpack_installer)
    return Debian(folder / "linux", folder / "initrd.gz")


def debian_system(cache: Path = CACHE) -> Debian:
    """Debian 12 with cloud-init and the guest agent, in the state before its first boot (minutes to build, as root)."""
    folder = _kept(cache, "debian-system", _build_system)
    return Debian(folder / "kernel", folder / "initrd", folder / "disk")


def _kept(cache: Path, name: str, build: Callable[[Path, Path], None]) -> Path:
    """The folder with what `build` puts into its second argument."""
    folder = cache / f"{name}-{guest_parts.key(Path(__file__))}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as work:
            parts = Path(work, "parts")
            parts.mkdir()
            build(Path(work), parts)
            parts.replace(folder)
    return folder


def _unpack_installer(work: Path, parts: Path) -> None:
    unpack([_INSTALLER], work)
    folder = guest_parts.only(work, "usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64")
    for name in ("linux", "initrd.gz"):
        shutil.copy(folder / name, parts)


def _build_system(work: Path, parts: Path) -> None:
    root = work / "root"
    run("debootstrap", "--variant=minbase", f"--include={','.join(_SYSTEM)}", _RELEASE, root, _MIRROR, cwd=work)
    (root / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    (root / "etc/machine-id").write_text("")
    shutil.rmtree(root / "var/cache/apt")
    shutil.copy(guest_parts.only(root, "boot/vmlinuz-*"), parts / "kernel")
    shutil.copy(guest_parts.only(root, "boot/initrd.img-*"), parts / "initrd")
    run("mkfs.ext4", "-q", "-d", root, parts / "disk", str(_DISK_BYTES // 1024), cwd=work)

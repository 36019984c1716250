"""Debian itself: its installer, a system with cloud-init, and the same as a cloud image; built from the distribution's
packages and kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import guest_parts
from tests.support.guest_parts import CACHE
from tests.support.installer_iso import SECTOR, boot_records
from tests.support.packages import run, unpack

_RELEASE, _MIRROR = "bookworm", "http://deb.debian.org/debian"
_INSTALLER = "debian-installer-12-netboot-amd64"
_SYSTEM = (
    *("systemd-sysv", "udev", "dbus", "cloud-init", "qemu-guest-agent"),
    # Needed through a virtual package, which debootstrap does not look for.
    "python3-cffi-backend",
)
# What Debian's own cloud images have beside that, and their kernel, which drives virtio alone.
_CLOUD = ("linux-image-cloud-amd64", "cloud-guest-utils", "locales", "netplan.io", "openssh-server", "sudo")
_DISK_BYTES = 3 * 1024**3
_CLOUD_BYTES = 2 * 1024**3


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


def debian_cloud_image(cache: Path = CACHE) -> Path:
    """A qcow2 file with Debian 12 as its cloud images are: the small kernel, and nothing that is one machine's alone
    (minutes to build, as root)."""
    return _kept(cache, "debian-cloud", _build_cloud_image) / "image.qcow2"


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
    root = _unpack_system(work, "/dev/vda", ("linux-image-amd64", *_SYSTEM))
    shutil.copy(guest_parts.only(root, "boot/vmlinuz-*"), parts / "kernel")
    shutil.copy(guest_parts.only(root, "boot/initrd.img-*"), parts / "initrd")
    run("mkfs.ext4", "-q", "-d", root, parts / "disk", str(_DISK_BYTES // 1024), cwd=work)


def _build_cloud_image(work: Path, parts: Path) -> None:
    root = _unpack_system(work, "/dev/vda2", (*_SYSTEM, *_CLOUD))
    for pattern, name in (("vmlinuz-*", "installed-kernel"), ("initrd.img-*", "installed-initrd")):
        (root / "boot" / name).symlink_to(guest_parts.only(root, f"boot/{pattern}").name)
    disk, partition = work / "disk", work / "partition"
    run("mkfs.ext4", "-q", "-d", root, partition, str(_CLOUD_BYTES // 1024), cwd=work)
    with disk.open("wb") as whole, partition.open("rb") as system:
        whole.write(boot_records(work, _CLOUD_BYTES // SECTOR))
        shutil.copyfileobj(system, whole)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", disk, parts / "image.qcow2", cwd=work)


def _unpack_system(work: Path, device: str, packages: Sequence[str]) -> Path:
    """The root file system, for a disk of that name, in the state before its first boot."""
    root = work / "root"
    run("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", _RELEASE, root, _MIRROR, cwd=work)
    (root / "etc/fstab").write_text(f"{device} / ext4 defaults 0 1\n")
    (root / "etc/machine-id").write_text("")
    shutil.rmtree(root / "var/cache/apt")
    return root

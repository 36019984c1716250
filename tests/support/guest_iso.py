"""A tiny real Linux as a bootable ISO for BIOS and UEFI, laid out like Ubuntu's, made from the distribution's packages.

It boots under plain emulation within seconds, prints READY_LINE on the first serial port, powers off by the ACPI
button and answers the QEMU guest agent. It lives in its initramfs: no disk and, once booted, no CD-ROM is needed.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.support import guest_parts
from tests.support.guest_parts import CACHE

READY_LINE = "infinibay test guest ready"

_SOURCES = Path(__file__).with_name("guest")
_LABEL = "UBUNTU-TEST"


def build_guest_iso(cache: Path = CACHE) -> Path:
    """The ISO's path; built at the first call (some seconds, 50 MB of downloads) and whenever its sources change."""
    iso = cache / f"guest-{guest_parts.key(Path(__file__), *_SOURCES.iterdir())}.iso"
    if iso.exists():
        return iso
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as name:
        work = Path(name)
        packages = guest_parts.unpack_packages(work, guest_parts.SMALL_KERNELS)
        tree = work / "tree"
        for folder in (".disk", "casper", "boot/grub"):
            (tree / folder).mkdir(parents=True)
        (tree / ".disk/info").write_text('Ubuntu-Server 24.04 LTS "Noble Numbat" - Release amd64 (test guest)\n')
        shutil.copy(_SOURCES / "grub.cfg", tree / "boot/grub/grub.cfg")
        shutil.copy(guest_parts.only(packages, "boot/vmlinuz-*"), tree / "casper/vmlinuz")
        _write_initramfs(packages, work / "root", tree / "casper/initrd")
        guest_parts.write_iso(work, tree, _LABEL, _SOURCES / "locate.cfg", work / "guest.iso")
        # A rename is atomic: two builders at once end with one whole file.
        (work / "guest.iso").replace(iso)
    return iso


def _write_initramfs(packages: Path, root: Path, initrd: Path) -> None:
    for folder in ("bin", "sbin", "usr/sbin", "modules", "var"):
        (root / folder).mkdir(parents=True)
    # The agent's folder for what it keeps is compiled in below /var.
    (root / "var/run").symlink_to("/run")
    shutil.copy(guest_parts.only(packages, "**/bin/busybox"), root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    shutil.copy(_SOURCES / "init", root / "init")
    shutil.copy(_SOURCES / "shutdown", root / "sbin/shutdown")
    guest_parts.copy_agent(packages, root, "usr/sbin/qemu-ga")
    guest_parts.copy_modules(packages, root / "modules", guest_parts.VIRTIO_MODULES)
    guest_parts.write_initrd(root, initrd)

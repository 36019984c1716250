"""Installation media whose installers are small enough for emulation, and real otherwise: they take the answers of
their family as its own installer does, write a system that boots onto the disk, run what the answers tell them to, and
leave the rest to the first boot. See `installer/` for what runs in the guest.

The new system prints `installed system HOST ready` on its first serial port.
"""

from __future__ import annotations

import gzip
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Literal

from tests.support import guest_parts, media
from tests.support.guest_parts import CACHE
from tests.support.packages import run

Family = Literal["ubuntu", "fedora", "debian"]
Fault = Literal["", "rejects", "hangs", "panics", "gives-up", "garbage", "contradicts"]

_SOURCES = Path(__file__).with_name("installer")
# Each module after those it needs.
_MODULES = (
    *guest_parts.VIRTIO_MODULES,
    *("scsi_common", "scsi_mod", "virtio_scsi", "libata", "libahci", "ahci", "cdrom", "sr_mod", "isofs"),
    *("pvpanic", "pvpanic-mmio"),
    *("crc16", "crc32c_generic", "libcrc32c", "mbcache", "jbd2", "ext4"),
)
_SCRIPTS = ("devices.sh", "media.sh", "disk.sh", "install.sh", "ubuntu.sh", "fedora.sh", "debian.sh", "yaml.awk")
# Where each family keeps the image of what it installs; here it is what comes before the new system's partition.
_IMAGES = {
    "ubuntu": "casper/filesystem.squashfs",
    "fedora": "images/install.img",
    "debian": "install.amd/base.img",
}
_BUILDERS = {"ubuntu": media.ubuntu_iso, "fedora": media.fedora_iso, "debian": media.debian_iso}
SECTOR = 512
_EFI_START, _EFI_SECTORS, SYSTEM_SECTORS = 2048, 8192, 128 * 2048
_DISK_MODULES = ("part_msdos", "ext2", "fat", "search", "search_fs_file", "linux")
_DISK_MENU = """search --file --set=root /boot/installed-kernel
linux ($root)/boot/installed-kernel root=/dev/vda2 console=ttyS0 quiet mitigations=off nokaslr tsc=reliable
initrd ($root)/boot/installed-initrd
boot
"""


def build_installer_iso(family: Family, fault: Fault = "", cache: Path = CACHE) -> Path:
    """The ISO's path; built at the first call (some seconds, 50 MB of downloads) and whenever its sources change.

    Faults: `rejects` refuses all answers, `hangs` never reports, `panics` crashes and `gives-up` powers off before
    the disk is written, `garbage` mixes nonsense into the reports, `contradicts` reports a failure after its success.
    """
    iso = cache / f"{family}-{fault or 'works'}-{sources_key()}.iso"
    if iso.exists():
        return iso
    system = installed_system(cache)
    with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as name:
        files: dict[str, Path | str] = {_IMAGES[family]: system / "disk"}
        if family == "ubuntu":
            files["casper/install-sources.yaml"] = "- id: ubuntu-server\n  default: true\n"
        if fault:
            files["installer-fault"] = fault
        built = _BUILDERS[family](Path(name), media.Installer(system / "kernel", system / "initrd", files))
        built.replace(iso)
    return iso


def sources_key() -> str:
    """Names what is built from the installers' sources."""
    sources = (path for path in _SOURCES.rglob("*") if path.is_file())
    return guest_parts.key(Path(__file__), Path(media.__file__), *sources)


def installed_system(cache: Path) -> Path:
    """The folder with what all media have in common: `kernel`, `initrd` and `disk`."""
    system = cache / f"installer-{sources_key()}"
    if not system.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as name:
            work = Path(name)
            packages, parts = guest_parts.unpack_packages(work, guest_parts.SATA_KERNELS), work / "parts"
            parts.mkdir()
            shutil.copy(guest_parts.only(packages, "boot/vmlinuz-*"), parts / "kernel")
            _write_root(packages, work / "root")
            guest_parts.write_initrd(work / "root", parts / "initrd")
            (parts / "disk").write_bytes(gzip.compress(boot_records(work, SYSTEM_SECTORS), mtime=0))
            parts.replace(system)
    return system


def _write_root(packages: Path, root: Path) -> None:
    for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/lib", "lib/installer", "modules", "etc/apt", "var"):
        (root / folder).mkdir(parents=True)
    # The agent's folder for what it keeps is compiled in below /var.
    (root / "var/run").symlink_to("/run")
    shutil.copy(guest_parts.only(packages, "**/bin/busybox"), root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    shutil.copy(_SOURCES / "init", root / "init")
    shutil.copy(_SOURCES / "system-init", root / "sbin/init")
    for script in _SCRIPTS:
        shutil.copy(_SOURCES / script, root / "lib/installer")
    for program in (_SOURCES / "bin").iterdir():
        shutil.copy(program, root / "usr/bin")
    (root / "usr/bin/dnf").symlink_to("apt-get")
    (root / "sbin/shutdown").symlink_to("/usr/bin/shutdown")
    (root / "etc/os-release").write_text("ID=test\nVERSION_CODENAME=test\n")
    (root / "etc/apt/sources.list").write_text("deb cdrom:[Test]/ test main\n")
    (root / "etc/apt/sources.list.d").mkdir()
    for program in root.rglob("*"):
        if program.is_file():
            program.chmod(0o755)
    guest_parts.copy_agent(packages, root, "usr/lib/qemu-ga")
    guest_parts.copy_modules(packages, root / "modules", _MODULES)


def boot_records(work: Path, system_sectors: int) -> bytes:
    """The start of a disk: GRUB for BIOS before the first partition, GRUB for UEFI in it. The second one, of that size,
    begins where this ends; what they boot there is `/boot/installed-kernel` with `/boot/installed-initrd`."""
    menu, core, loader, image = work / "disk.cfg", work / "core.img", work / "disk.efi", work / "disk.img"
    menu.write_text(_DISK_MENU)
    for platform, target, extra in (("i386-pc", core, ("biosdisk",)), ("x86_64-efi", loader, ("efi_gop",))):
        run("grub-mkimage", "-O", platform, "-p", "/grub", "-c", menu, "-o", target, *_DISK_MODULES, *extra, cwd=work)
    boot = Path("/usr/lib/grub/i386-pc/boot.img").read_bytes()[:440]
    partitions = _partition(0xEF, _EFI_START, _EFI_SECTORS)
    partitions += _partition(0x83, _EFI_START + _EFI_SECTORS, system_sectors)
    # GRUB's sector for disks loads what begins in the next one.
    start = boot.ljust(446, b"\0") + partitions.ljust(64, b"\0") + b"\x55\xaa" + core.read_bytes()
    image.write_bytes(start.ljust((_EFI_START + _EFI_SECTORS) * SECTOR, b"\0"))
    place = f"{image}@@{_EFI_START * SECTOR}"
    run("mformat", "-i", place, "-T", str(_EFI_SECTORS), "-h", "16", "-s", "63", "::", cwd=work)
    run("mmd", "-i", place, "::/EFI", "::/EFI/BOOT", cwd=work)
    run("mcopy", "-i", place, loader, "::/EFI/BOOT/BOOTX64.EFI", cwd=work)
    return image.read_bytes()


def _partition(kind: int, start: int, length: int) -> bytes:
    """An entry of a partition table without geometry."""
    return struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start, length)

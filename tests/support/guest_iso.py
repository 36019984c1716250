"""A tiny real Linux as a bootable ISO for BIOS and UEFI, laid out like Ubuntu's, made from the distribution's packages.

It boots under plain emulation within seconds, prints READY_LINE on the first serial port, powers off by the ACPI
button and answers the QEMU guest agent. It lives in its initramfs: no disk and, once booted, no CD-ROM is needed.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

READY_LINE = "infinibay test guest ready"
DEFAULT_CACHE = Path(__file__).parents[2] / ".cache" / "guest"

_SOURCES = Path(__file__).with_name("guest")
_KERNELS = ("linux-image-cloud-amd64", "linux-image-virtual")  # Debian's name and Ubuntu's.
# Each module after those it needs; one that a kernel has built in is left out.
_MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover"),
    *("net_failover", "virtio_net", "virtio_blk", "virtio_console", "virtio_balloon", "virtio-rng", "evdev", "button"),
)
_GRUB_MODULES = (
    "iso9660",
    "part_gpt",
    "part_msdos",
    "fat",
    "search",
    "search_fs_file",
    "normal",
    "configfile",
    "linux",
)
_LABEL = "UBUNTU-TEST"
_EFI_SYSTEM_PARTITION = "28732ac11ff8d211ba4b00a0c93ec93b"


def build_guest_iso(cache: Path = DEFAULT_CACHE) -> Path:
    """The ISO's path; built at the first call (some seconds, 50 MB of downloads) and whenever its sources change."""
    iso = cache / f"guest-{_key()}.iso"
    if iso.exists():
        return iso
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as name:
        work = Path(name)
        packages = _unpack_packages(work)
        tree = work / "tree"
        for folder in (".disk", "casper", "boot/grub"):
            (tree / folder).mkdir(parents=True)
        (tree / ".disk/info").write_text('Ubuntu-Server 24.04 LTS "Noble Numbat" - Release amd64 (test guest)\n')
        shutil.copy(_SOURCES / "grub.cfg", tree / "boot/grub/grub.cfg")
        shutil.copy(_only(packages, "boot/vmlinuz-*"), tree / "casper/vmlinuz")
        _write_initramfs(packages, work / "root", tree / "casper/initrd")
        _write_iso(work, tree)
        # A rename is atomic: two builders at once end with one whole file.
        (work / "guest.iso").replace(iso)
    return iso


def _key() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for source in sorted(_SOURCES.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    digest.update(Path("/etc/os-release").read_bytes())
    return digest.hexdigest()[:16]


def _run(*command: str | Path, cwd: Path, data: bytes | None = None) -> bytes:
    """Runs a program to its end and gives its output. Raises RuntimeError with what it said on failure."""
    done = subprocess.run(command, cwd=cwd, input=data, capture_output=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said}")
    return done.stdout


def _unpack_packages(work: Path) -> Path:
    """Downloads the packages and unpacks them side by side into one folder, without installing anything."""
    downloads, packages = work / "downloads", work / "packages"
    downloads.mkdir()
    names = ["busybox-static", "qemu-guest-agent", *_kernel_packages(work)]
    _run("apt-get", "download", "-q", *names, cwd=downloads)
    for package in downloads.glob("*.deb"):
        _run("dpkg-deb", "-x", package, packages, cwd=work)
    return packages


def _kernel_packages(work: Path) -> list[str]:
    """The packages of the newest small kernel: the image and, where they are apart, its modules."""
    for meta in _KERNELS:
        said = subprocess.run(["apt-cache", "depends", meta], cwd=work, capture_output=True, text=True, check=False)
        images = [line.split()[-1] for line in said.stdout.splitlines() if "Depends: linux-image-" in line]
        if images:
            modules = images[0].replace("linux-image-", "linux-modules-")
            apart = subprocess.run(["apt-cache", "show", modules], cwd=work, capture_output=True, check=False)
            return [images[0], modules] if apart.returncode == 0 else [images[0]]
    raise RuntimeError(f"apt knows none of {', '.join(_KERNELS)}: run `apt-get update`")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise RuntimeError(f"expected one {pattern} in the packages, found {found}")
    return found[0]


def _write_initramfs(packages: Path, root: Path, initrd: Path) -> None:
    for folder in ("bin", "sbin", "usr/sbin", "modules", "var"):
        (root / folder).mkdir(parents=True)
    # The agent's folder for what it keeps is compiled in below /var.
    (root / "var/run").symlink_to("/run")
    shutil.copy(_only(packages, "**/bin/busybox"), root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    shutil.copy(_SOURCES / "init", root / "init")
    shutil.copy(_SOURCES / "shutdown", root / "sbin/shutdown")
    agent = _only(packages, "usr/sbin/qemu-ga")
    shutil.copy(agent, root / "usr/sbin/qemu-ga")
    for library in _libraries(agent):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    _copy_modules(packages, root / "modules")
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    archive = _run("cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet", cwd=root, data="\n".join(names).encode())
    initrd.write_bytes(gzip.compress(archive, compresslevel=9, mtime=0))


def _libraries(program: Path) -> list[Path]:
    """The shared libraries that a program needs, with the loader, as they lie on this machine."""
    lines = _run("ldd", program, cwd=program.parent).decode().splitlines()
    if any("not found" in line for line in lines):
        raise RuntimeError(f"libraries of {program.name} are missing here:\n" + "\n".join(lines))
    words = [word for line in lines for word in line.split() if word.startswith("/")]
    return [Path(word) for word in words]


def _copy_modules(packages: Path, target: Path) -> None:
    """Copies the drivers, unpacked, and writes the order in which the guest loads them."""
    order = []
    for name in _MODULES:
        found = [path for path in packages.rglob(f"{name}.ko*") if "/kernel/" in str(path)]
        if not found:
            continue
        source, file = found[0], f"{name}.ko"
        unpack = {".xz": ("xz", "-dc"), ".zst": ("zstd", "-dc"), ".ko": ("cat",)}[source.suffix]
        (target / file).write_bytes(_run(*unpack, source, cwd=target))
        order.append(file)
    (target / "order").write_text("".join(f"{file}\n" for file in order))


def _write_iso(work: Path, tree: Path) -> None:
    """Makes work/guest.iso: El Torito for BIOS and UEFI, and a partition table for use as a disk."""
    config = _SOURCES / "locate.cfg"
    eltorito, efi = tree / "boot/grub/eltorito.img", work / "BOOTX64.EFI"
    for platform, image, extra in (("i386-pc-eltorito", eltorito, "biosdisk"), ("x86_64-efi", efi, "efi_gop")):
        options = ("-O", platform, "-p", "/boot/grub", "-c", config, "-o", image)
        _run("grub-mkimage", *options, *_GRUB_MODULES, extra, cwd=work)
    partition = work / "efi.img"
    _run("mformat", "-C", "-f", "2880", "-i", partition, "::", cwd=work)
    _run("mmd", "-i", partition, "::/EFI", "::/EFI/BOOT", cwd=work)
    _run("mcopy", "-i", partition, efi, "::/EFI/BOOT/BOOTX64.EFI", cwd=work)
    disk = ("--grub2-mbr", "/usr/lib/grub/i386-pc/boot_hybrid.img", "-partition_offset", "16")
    appended = ("-append_partition", "2", _EFI_SYSTEM_PARTITION, partition, "-appended_part_as_gpt")
    bios = ("-b", "/boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table")
    uefi = ("-eltorito-alt-boot", "-e", "--interval:appended_partition_2:::", "-no-emul-boot")
    files = ("-r", "-V", _LABEL, "-c", "/boot.catalog", "-o", work / "guest.iso", tree)
    command = ("xorriso", "-as", "mkisofs", *disk, *appended, *bios, "--grub2-boot-info", *uefi, *files)
    _run(*command, cwd=work)

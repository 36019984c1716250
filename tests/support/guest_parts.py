"""What the small guests of the tests are made of: programs, kernel and drivers from the distribution, and GRUB."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.support.packages import run, unpack

CACHE = Path(__file__).parents[2] / ".cache" / "guest"
EFI_SYSTEM_PARTITION = "28732ac11ff8d211ba4b00a0c93ec93b"

# Debian's names and Ubuntu's: of a small kernel for virtual machines, and of one that also drives CD-ROMs by SATA.
SMALL_KERNELS = ("linux-image-cloud-amd64", "linux-image-virtual")
SATA_KERNELS = ("linux-image-amd64", "linux-image-virtual")
# Each module after those it needs; one that a kernel has built in is left out.
VIRTIO_MODULES = (
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


def key(*sources: Path) -> str:
    """A short name for what is built from these files, from this module, and from this distribution's packages."""
    digest = hashlib.sha256()
    for source in (*sorted(sources), Path(__file__), Path("/etc/os-release")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def unpack_packages(work: Path, kernels: Sequence[str]) -> Path:
    """All packages that a guest is made of, in one folder."""
    packages = work / "packages"
    unpack(["busybox-static", "qemu-guest-agent", *_kernel_packages(work, kernels)], packages)
    return packages


def _kernel_packages(work: Path, kernels: Sequence[str]) -> list[str]:
    """The packages of the newest kernel of the first known name: the image and, where they are apart, its modules."""
    for meta in kernels:
        said = subprocess.run(["apt-cache", "depends", meta], cwd=work, capture_output=True, text=True, check=False)
        images = [line.split()[-1] for line in said.stdout.splitlines() if "Depends: linux-image-" in line]
        if images:
            modules = images[0].replace("linux-image-", "linux-modules-")
            apart = subprocess.run(["apt-cache", "show", modules], cwd=work, capture_output=True, check=False)
            return [images[0], modules] if apart.returncode == 0 else [images[0]]
    raise RuntimeError(f"apt knows none of {', '.join(kernels)}: run `apt-get update`")


def only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise RuntimeError(f"expected one {pattern} in the packages, found {found}")
    return found[0]


def copy_agent(packages: Path, root: Path, place: str) -> None:
    """Puts the guest agent at a path of a root file system, with the libraries that it needs."""
    agent = only(packages, "usr/sbin/qemu-ga")
    target = root / place
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(agent, target)
    for library in _libraries(agent):
        beside = root / library.relative_to("/")
        beside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, beside)


def write_initrd(root: Path, initrd: Path) -> None:
    """Packs a root file system into an initrd, all of it root's."""
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    archive = run("cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet", cwd=root, data="\n".join(names).encode())
    initrd.write_bytes(gzip.compress(archive, compresslevel=9, mtime=0))


def _libraries(program: Path) -> list[Path]:
    """The shared libraries that a program needs, with the loader, as they lie on this machine."""
    lines = run("ldd", program, cwd=program.parent).decode().splitlines()
    if any("not found" in line for line in lines):
        raise RuntimeError(f"libraries of {program.name} are missing here:\n" + "\n".join(lines))
    words = [word for line in lines for word in line.split() if word.startswith("/")]
    return [Path(word) for word in words]


def copy_modules(packages: Path, target: Path, names: Iterable[str]) -> None:
    """Copies the drivers, unpacked, and writes the order in which the guest loads them."""
    order = []
    for name in names:
        found = [path for path in packages.rglob(f"{name}.ko*") if "/kernel/" in str(path)]
        if not found:
            continue
        source, file = found[0], f"{name}.ko"
        unpack = {".xz": ("xz", "-dc"), ".zst": ("zstd", "-dc"), ".ko": ("cat",)}[source.suffix]
        (target / file).write_bytes(run(*unpack, source, cwd=target))
        order.append(file)
    (target / "order").write_text("".join(f"{file}\n" for file in order))


def write_iso(work: Path, tree: Path, label: str, locate: Path, target: Path) -> None:
    """An ISO that boots as Ubuntu's do: El Torito for BIOS and UEFI, and a partition table for use as a disk.

    `locate` is what GRUB runs first.
    """
    eltorito, efi = tree / "boot/grub/eltorito.img", work / "BOOTX64.EFI"
    for platform, image, extra in (("i386-pc-eltorito", eltorito, "biosdisk"), ("x86_64-efi", efi, "efi_gop")):
        options = ("-O", platform, "-p", "/boot/grub", "-c", locate, "-o", image)
        run("grub-mkimage", *options, *_GRUB_MODULES, extra, cwd=work)
    partition = work / "efi.img"
    run("mformat", "-C", "-f", "2880", "-i", partition, "::", cwd=work)
    run("mmd", "-i", partition, "::/EFI", "::/EFI/BOOT", cwd=work)
    run("mcopy", "-i", partition, efi, "::/EFI/BOOT/BOOTX64.EFI", cwd=work)
    disk = ("--grub2-mbr", "/usr/lib/grub/i386-pc/boot_hybrid.img", "-partition_offset", "16")
    appended = ("-append_partition", "2", EFI_SYSTEM_PARTITION, partition, "-appended_part_as_gpt")
    bios = ("-b", "/boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table")
    uefi = ("-eltorito-alt-boot", "-e", "--interval:appended_partition_2:::", "-no-emul-boot")
    files = ("-r", "-V", label, "-c", "/boot.catalog", "-o", target, tree)
    command = ("xorriso", "-as", "mkisofs", *disk, *appended, *bios, "--grub2-boot-info", *uefi, *files)
    run(*command, cwd=work)

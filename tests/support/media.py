"""Installation media of each family, small, with the layout and the boot records of the real ones.

The "installer" of the Linux ones is the tiny guest. The menus they come with wait for a key, as the real ones do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.support.guest_iso import build_guest_iso
from tests.support.guest_parts import EFI_SYSTEM_PARTITION, write_iso

UBUNTU_LABEL = "Ubuntu-Server 24.04.1 LTS amd64"
DEBIAN_LABEL, FEDORA_LABEL, WINDOWS_LABEL = "Debian 12.5.0 amd64 n", "Fedora-S-dvd-x86_64-41", "CCCOMA_X64FRE_EN-US_DV9"
ASKS, SILENT = "press any key to boot from CD", "booted without a key"
# What makes the tiny guest fast under emulation, and its console the serial port.
GUEST_ARGUMENTS = ("console=ttyS0", "quiet", "mitigations=off", "nokaslr", "tsc=reliable")

_GRUB_MODULES = ("iso9660", "part_gpt", "part_msdos", "fat", "search", "search_fs_file", "search_label", "normal")
_GRUB_COMMANDS = ("configfile", "linux", "serial", "terminal", "echo", "sleep", "test", "halt")
_LOCATE = "search --set=root --file /.disk/info\nset prefix=($root)/boot/grub\nconfigfile /boot/grub/grub.cfg\n"
_WAITING_MENU = """set timeout=600
menuentry 'Install' {{
    {linux} {kernel} quiet
    {initrd_command} {initrd}
}}
"""


@dataclass(frozen=True)
class Installer:
    """The system that a Linux medium starts, and what else lies on the medium, by path."""

    kernel: Path
    initrd: Path
    files: Mapping[str, Path | str] = field(default_factory=dict)


def run(*command: str | Path, cwd: Path | None = None, data: bytes | None = None) -> bytes:
    """Runs a program to its end and gives its output. Raises RuntimeError with what it said on failure."""
    done = subprocess.run(command, cwd=cwd, input=data, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}:\n{(done.stdout + done.stderr).decode(errors='replace')}")
    return done.stdout


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too; nothing for an absent one."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def read_iso(iso: Path, path: str) -> bytes:
    """A file's content by an independent program, for media without UDF."""
    return run("isoinfo", "-R", "-x", f"/{path}", "-i", iso)


def iso_label(iso: Path) -> str:
    """The label, as programs look for it."""
    return run("blkid", "-p", "-o", "value", "-s", "LABEL", iso).decode().rstrip("\n")


def unpack(iso: Path, target: Path) -> dict[str, bytes]:
    """All files of a medium by an independent program, by path."""
    run("7z", "x", "-y", f"-o{target}", iso)
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in sorted(target.rglob("*"))
        if path.is_file() and not str(path.relative_to(target)).startswith("[BOOT]")
    }


def ubuntu_iso(folder: Path, installer: Installer | None = None) -> Path:
    """GRUB for both firmwares; the EFI partition lies behind the file system and reads the menu of the ISO."""
    tree, work = folder / "ubuntu", folder / "ubuntu-parts"
    work.mkdir()
    _put_installer(tree, "casper/vmlinuz", "casper/initrd", installer or _tiny_guest(folder))
    _write(tree / ".disk/info", 'Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827)\n')
    _write(tree / "boot/grub/grub.cfg", _menu("/casper/vmlinuz", "/casper/initrd"))
    _write(work / "locate.cfg", _LOCATE)
    write_iso(work, tree, UBUNTU_LABEL, work / "locate.cfg", folder / "ubuntu.iso")
    return folder / "ubuntu.iso"


def grown(iso: Path, target: Path, filler: Path) -> Path:
    """A Linux medium with one more file, to have a size like a real one's."""
    drives = ("-indev", iso, "-outdev", target, "-map", filler, "/filler", "-boot_image", "any", "replay")
    run("xorriso", "-no_rc", *drives, "-commit", "-end")
    return target


def debian_iso(folder: Path, installer: Installer | None = None) -> Path:
    """ISOLINUX for BIOS; for UEFI a FAT image that is a file of the tree and reads the menu of the ISO."""
    tree = folder / "debian"
    _put_installer(tree, "install.amd/vmlinuz", "install.amd/initrd.gz", installer or _tiny_guest(folder))
    _write(tree / ".disk/info", 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST 20240210-11:27\n')
    _write(tree / "boot/grub/grub.cfg", _menu("/install.amd/vmlinuz", "/install.amd/initrd.gz"))
    (tree / "isolinux").mkdir()
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", tree / "isolinux")
    shutil.copy("/usr/lib/syslinux/modules/bios/ldlinux.c32", tree / "isolinux")
    entry = "label install\n  kernel /install.amd/vmlinuz\n  append initrd=/install.amd/initrd.gz\n"
    _write(tree / "isolinux/isolinux.cfg", f"default install\nprompt 1\n{entry}")
    _efi_image(folder, tree / "boot/grub/efi.img", _LOCATE)
    bios = ("-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4")
    uefi = ("-eltorito-alt-boot", "-e", "boot/grub/efi.img", "-no-emul-boot", "-isohybrid-gpt-basdat")
    disk = ("-boot-info-table", "-isohybrid-mbr", "/usr/lib/ISOLINUX/isohdpfx.bin")
    return _mkisofs(folder / "debian.iso", tree, DEBIAN_LABEL, [*bios, *disk, *uefi])


def fedora_iso(folder: Path, installer: Installer | None = None, *, appended: bool = True) -> Path:
    """GRUB for both firmwares; the FAT image for UEFI holds a menu of its own, and is a partition or a file."""
    tree = folder / f"fedora-{appended}"
    _put_installer(tree, "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", installer or _tiny_guest(folder))
    _write(tree / ".treeinfo", "[release]\nname = Fedora\nshort = Fedora\nversion = 41\n")
    # Of a medium that brings its packages, as the Server edition does.
    _write(tree / "repodata/repomd.xml", "<repomd/>\n")
    menu = _menu("/images/pxeboot/vmlinuz", "/images/pxeboot/initrd.img")
    _write(tree / "boot/grub2/grub.cfg", menu)
    _write(tree / "EFI/BOOT/grub.cfg", menu)
    _grub_core(
        folder, tree / "images/eltorito.img", "set prefix=(cd)/boot/grub2\nconfigfile (cd)/boot/grub2/grub.cfg\n"
    )
    efi = tree / "images/efiboot.img"
    find = f"search --no-floppy --set=root -l '{FEDORA_LABEL}'\n"
    _efi_image(folder, efi, "configfile $cmdpath/grub.cfg\n", find + menu)
    records = ["-b", "images/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
    records += ["--grub2-boot-info", "--grub2-mbr", "/usr/lib/grub/i386-pc/boot_hybrid.img", "-eltorito-alt-boot"]
    if appended:
        partition = folder / "efiboot.img"
        shutil.move(efi, partition)
        records += ["-partition_offset", "16", "-append_partition", "2", EFI_SYSTEM_PARTITION, str(partition)]
        records += ["-appended_part_as_gpt", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot"]
    else:
        records += ["-e", "images/efiboot.img", "-no-emul-boot"]
    return _mkisofs(folder / f"fedora-{appended}.iso", tree, FEDORA_LABEL, records)


def windows_iso(folder: Path, image: int | Path = 3 * 1024**2, more: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Everything in UDF, with an image to install of that size or a given one, and more files. Its boot image for UEFI
    says ASKS and stops, the other one beside it says SILENT."""
    tree = folder / "windows"
    boot = tree / "efi/microsoft/boot"
    for name, words in (("efisys.bin", ASKS), ("efisys_noprompt.bin", SILENT)):
        _efi_image(folder, boot / name, f"serial\nterminal_output serial\necho '{words}'\nhalt\n")
    _write(tree / "boot/etfsboot.com", "boot sectors".ljust(4096, "."))
    _write(tree / "bootmgr", "the boot manager")
    _write(tree / "autorun.inf", "[AutoRun.Amd64]\nopen=setup.exe\n")
    for path, text in {"sources/ei.cfg": "[Channel]\nRetail\n", **more}.items():
        _write(tree / path, text)
    wim = tree / "sources/install.wim"
    if isinstance(image, Path):
        wim.hardlink_to(image)
    else:
        wim.write_bytes(b"MSWIM\0\0\0")
        os.truncate(wim, image)
    target = folder / "windows.iso"
    bios = ("-b", "boot/etfsboot.com", "-no-emul-boot", "-boot-load-size", "8", "-eltorito-alt-boot")
    uefi = ("-no-emul-boot", "-e", "efi/microsoft/boot/efisys.bin")
    shape = ("-iso-level", "4", "-udf", "-l", "-D", "-N", "-allow-limited-size", "-V", WINDOWS_LABEL)
    run("genisoimage", "-quiet", *shape, *bios, *uefi, "-o", target, tree)
    return target


def _menu(kernel: str, initrd: str) -> str:
    return _WAITING_MENU.format(linux="linux", kernel=kernel, initrd_command="initrd", initrd=initrd)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _tiny_guest(folder: Path) -> Installer:
    run("7z", "x", "-y", f"-o{folder / 'guest'}", build_guest_iso(), "casper")
    return Installer(folder / "guest/casper/vmlinuz", folder / "guest/casper/initrd")


def _put_installer(tree: Path, kernel: str, initrd: str, installer: Installer) -> None:
    """The installer at the places where the family has its own."""
    for path, source in {kernel: installer.kernel, initrd: installer.initrd, **installer.files}.items():
        if isinstance(source, str):
            _write(tree / path, source)
        else:
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, tree / path)


def _grub_core(folder: Path, target: Path, config: str) -> None:
    early = folder / "early.cfg"
    early.write_text(config)
    target.parent.mkdir(parents=True, exist_ok=True)
    options = ("-O", "i386-pc-eltorito", "-p", "/boot/grub", "-c", early, "-o", target)
    run("grub-mkimage", *options, *_GRUB_MODULES, *_GRUB_COMMANDS, "biosdisk")


def _efi_image(folder: Path, target: Path, config: str, menu: str | None = None) -> None:
    """A FAT image with GRUB that runs the configuration, and with a menu beside it."""
    early, loader = folder / "early.cfg", folder / "BOOTX64.EFI"
    early.write_text(config)
    options = ("-O", "x86_64-efi", "-p", "/boot/grub", "-c", early, "-o", loader)
    run("grub-mkimage", *options, *_GRUB_MODULES, *_GRUB_COMMANDS, "efi_gop")
    target.parent.mkdir(parents=True, exist_ok=True)
    run("mformat", "-C", "-f", "2880", "-i", target, "::")
    run("mmd", "-i", target, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", target, loader, "::/EFI/BOOT/BOOTX64.EFI")
    if menu is not None:
        (folder / "menu.cfg").write_text(menu)
        run("mcopy", "-i", target, folder / "menu.cfg", "::/EFI/BOOT/grub.cfg")


def _mkisofs(target: Path, tree: Path, label: str, records: Sequence[str | Path]) -> Path:
    run("xorriso", "-as", "mkisofs", "-r", "-J", "-joliet-long", "-V", label, *records, "-o", target, tree)
    return target

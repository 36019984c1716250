"""The menu inside an EFI boot image: Fedora and its family keep one beside the boot loader, in a FAT file system."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from infinibay.errors import UnusableMedium
from infinibay.unattended.media import disk, programs
from infinibay.unattended.media.iso import SECTOR, UEFI, Extent, Image, boot_entries
from infinibay.unattended.media.menus import is_grub_menu
from infinibay.unattended.media.threads import in_thread

_SECONDS = 30
_SECTOR_SIZES = (512, 1024, 2048, 4096)
_MOST_BYTES = 256 * 1024**2
# Such images are written without the geometry that these programs would check.
_ENVIRONMENT = ("env", "MTOOLS_SKIP_CHECK=1")


def find(tree: Image) -> Extent | None:
    """Where the FAT image lies that UEFI boots; None when the medium has none."""
    entry = next((entry for entry in boot_entries(tree.file) if entry.platform == UEFI), None)
    if entry is None:
        return None
    tree.file.seek(entry.sector * SECTOR)
    boot_sector = tree.file.read(512)
    # The catalog's own count is too small a number for many of them, so the file system says how long it is.
    sector_size, few, many = (int.from_bytes(boot_sector[a:b], "little") for a, b in ((11, 13), (19, 21), (32, 36)))
    if boot_sector[510:] != b"\x55\xaa" or sector_size not in _SECTOR_SIZES or not (few or many):
        return None
    return Extent(entry.sector * SECTOR, sector_size * (few or many))


async def replace_menus(efi_image: Path, made: Callable[[str], str]) -> bool:
    """Replaces every menu of GRUB in the image by what `made` makes of it, and tells whether there was one.

    Raises HostFailure.
    """
    listed = await _mtools("mdir", "-/", "-b", "-i", str(efi_image), "::", folder=efi_image.parent)
    menus = [line for line in listed.splitlines() if re.search(r"/grub\.cfg$", line, re.IGNORECASE)]
    replaced = False
    for menu in menus:
        text = await _mtools("mtype", "-i", str(efi_image), menu, folder=efi_image.parent)
        if is_grub_menu(text):
            new = efi_image.with_name("grub.cfg")
            await in_thread(lambda: disk.write_whole(new, made(text).encode()))  # noqa: B023 - it is awaited here
            await _mtools("mcopy", "-D", "o", "-o", "-i", str(efi_image), str(new), menu, folder=efi_image.parent)
            replaced = True
    return replaced


def copy_out(tree: Image, extent: Extent, target: Path) -> None:
    """Copies the image into a file. Raises UnusableMedium, HostFailure."""
    if extent.length > _MOST_BYTES:
        raise UnusableMedium("The boot image for UEFI on the ISO is larger than such an image ever is")
    with disk.whole_file(target) as file:
        for chunk in tree.chunks(extent):
            file.write(chunk)


async def _mtools(*command: str, folder: Path) -> str:
    return await programs.build(*_ENVIRONMENT, *command, folder=folder, seconds=_SECONDS)

"""Windows without "Press any key to boot from CD": an overlay of one sector above the untouched ISO.

Its boot catalog names `efisys.bin`, which asks; the image that does not ask lies beside it on every such ISO.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infinibay.errors import UnusableMedium
from infinibay.unattended.media import disk, programs
from infinibay.unattended.media.iso import SECTOR, UEFI, boot_entries, fingerprint, image, unchanged
from infinibay.unattended.media.threads import in_thread

EFI_ASKS, EFI_SILENT = "efi/microsoft/boot/efisys.bin", "efi/microsoft/boot/efisys_noprompt.bin"
_SECONDS = 30


@dataclass(frozen=True)
class _Change:
    backing: str
    offset: int
    content: bytes


async def write(path: Path, iso: Path) -> None:
    """Writes the overlay, a qcow2 file backed by the ISO at its absolute path, to be attached as the CD-ROM.

    Raises UnusableMedium when the ISO is gone, truncated or has no such boot images, HostFailure when writing fails.
    """
    change = await in_thread(lambda: _find(iso))
    part = _part(path)
    try:
        await in_thread(lambda: disk.remove(part))
        command = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", change.backing, str(part))
        await programs.build(*command, folder=path.parent, seconds=_SECONDS)
        writes = [
            argument
            for offset, byte in enumerate(change.content, change.offset)
            for argument in ("-c", f"write -q -P {byte} {offset} 1")
        ]
        # Nothing need reach the disk before the whole overlay does.
        await programs.build(
            "qemu-io", "-t", "unsafe", "-f", "qcow2", *writes, str(part), folder=path.parent, seconds=_SECONDS
        )
        await in_thread(lambda: _copy(part, path))
    finally:
        await in_thread(lambda: disk.remove(part))


async def remove(path: Path) -> None:
    """Removes an overlay and what an interrupted run left of it; absent ones are fine. Raises HostFailure."""
    for file in (path, _part(path)):
        await in_thread(partial(disk.remove, file))


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _find(iso: Path) -> _Change:
    with unchanged(iso, fingerprint(iso)), image(iso) as tree:
        asks, silent = tree.find(EFI_ASKS), tree.find(EFI_SILENT)
        entry = next((entry for entry in boot_entries(tree.file) if entry.platform == UEFI), None)
        if asks is None or silent is None or entry is None or asks.length != silent.length:
            raise UnusableMedium(f"The ISO {iso.name} has no boot image of Windows that starts without a key")
        return _Change(str(iso.absolute()), entry.offset + 8, (silent.offset // SECTOR).to_bytes(4, "little"))


def _copy(part: Path, path: Path) -> None:
    """The overlay is some hundred kilobytes; this way its name appears with whole content, and only if it is new."""
    disk.write_whole(path, part.read_bytes())

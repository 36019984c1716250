"""A Linux ISO made anew with answer files inside and menus that ask nothing; its boot records are those of the given
one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infinibay.errors import HostFailure, UnusableMedium
from infinibay.unattended.media import disk, efi, initrd, menus, paths, programs
from infinibay.unattended.media.iso import SECTOR, Extent, Image, boot_entries, image, size
from infinibay.unattended.media.kernel import KernelPair, kernel_pair
from infinibay.unattended.media.threads import in_thread

WORK = "work"
_GRUB = ("boot/grub/grub.cfg", "boot/grub2/grub.cfg", "EFI/BOOT/grub.cfg")
_ISOLINUX = ("isolinux/isolinux.cfg",)
_MOST_MENU = 1024**2
# Reading and writing at ten megabytes a second is slower than any disk that can install a machine.
_BYTES_PER_SECOND, _LEAST_SECONDS = 10 * 1024**2, 60


@dataclass(frozen=True)
class _Found:
    """What the given ISO holds."""

    label: str
    platforms: tuple[int, ...]
    pair: KernelPair
    grub: Mapping[str, str]
    isolinux: tuple[str, ...]
    efi: Extent | None
    efi_name: str | None


async def make(
    iso: Path,
    target: Path,
    files: Mapping[str, bytes],
    arguments: Sequence[str],
    initrd_files: Mapping[str, bytes],
) -> None:
    """Writes the new ISO. `target` lies in a folder that is this call's alone; what is left there may be removed.

    Raises UnusableMedium, HostFailure, and ValueError for paths or arguments that a medium cannot carry.
    """
    work = target.parent / WORK
    await in_thread(lambda: work.mkdir(mode=0o700))
    found = await in_thread(lambda: _look(iso, work))
    replaced = await in_thread(lambda: _write_parts(iso, work, found, files, arguments, initrd_files))
    records = await _replace_efi(iso, work, found, found.efi, arguments) if found.efi else ()
    if not (found.grub or found.isolinux or records):
        raise UnusableMedium(f"The ISO {iso.name} has no boot menu that is known")
    await _xorriso(iso, target, replaced, records)
    await in_thread(lambda: _verify(target, found))


def _look(iso: Path, work: Path) -> _Found:
    with image(iso) as tree:
        pair = kernel_pair(tree)
        if pair is None:
            raise UnusableMedium(f"The ISO {iso.name} holds no kernel of an installer that is known")
        texts = {path: text.decode(errors="replace") for path in _GRUB if (text := tree.read(path, _MOST_MENU))}
        extent = efi.find(tree)
        if extent is not None:
            efi.copy_out(tree, extent, work / "efi.img")
        return _Found(
            label=tree.label,
            platforms=tuple(entry.platform for entry in boot_entries(tree.file)),
            pair=pair,
            grub={path: text for path, text in texts.items() if menus.is_grub_menu(text)},
            isolinux=tuple(path for path in _ISOLINUX if tree.find(path)),
            efi=extent,
            efi_name=_name_of(tree, extent) if extent else None,
        )


def _name_of(tree: Image, extent: Extent) -> str | None:
    """The path of the file that begins there; None when no file does."""
    for path in tree.files():
        found = tree.find(path)
        if found is not None and found.length and found.offset == extent.offset:
            return path
    return None


def _write_parts(
    iso: Path,
    work: Path,
    found: _Found,
    files: Mapping[str, bytes],
    arguments: Sequence[str],
    initrd_files: Mapping[str, bytes],
) -> dict[str, Path]:
    """Writes what is new on the medium into files; gives them by their path on it."""
    contents = {path: files[path] for path in paths.checked(files)}
    contents |= {path: menus.grub(text, found.pair, arguments).encode() for path, text in found.grub.items()}
    contents |= {path: menus.isolinux(found.pair, arguments).encode() for path in found.isolinux}
    parts = {}
    for number, (path, content) in enumerate(contents.items()):
        parts[path] = work / f"part-{number}"
        disk.write_whole(parts[path], content, 0o444)
    if initrd_files:
        parts[found.pair.initrd] = work / "initrd"
        _write_initrd(iso, found.pair.initrd, work / "initrd", initrd.archive(initrd_files))
    return parts


def _write_initrd(iso: Path, path: str, target: Path, addition: bytes) -> None:
    with image(iso) as tree:
        extent = tree.find(path)
        if extent is None:
            raise UnusableMedium(f"The ISO {iso.name} was changed while it was read", remedy="Try again")
        with disk.whole_file(target, 0o444) as file:
            for chunk in tree.chunks(extent):
                file.write(chunk)
            file.write(initrd.padding(extent.length) + addition)


async def _replace_efi(
    iso: Path, work: Path, found: _Found, extent: Extent, arguments: Sequence[str]
) -> tuple[str, ...]:
    """What tells xorriso to take the changed EFI image; nothing when the image holds no menu."""
    efi_image = work / "efi.img"
    menu = partial(menus.grub, pair=found.pair, arguments=arguments, label=found.label)
    if not await efi.replace_menus(efi_image, menu):
        return ()
    if found.efi_name is not None:
        return ("-map", str(efi_image), f"/{found.efi_name}")
    return await _appended(iso, efi_image, extent)


async def _appended(iso: Path, efi_image: Path, extent: Extent) -> tuple[str, ...]:
    """The image is a partition behind the file system: the same number and type, with new content."""
    asked = ("-indev", f"stdio:{iso}", "-report_system_area", "cmd")
    report = await programs.build("xorriso", "-no_rc", *asked, folder=efi_image.parent, seconds=_LEAST_SECONDS)
    interval = f"--interval:imported_iso:{extent.offset // 512}d-"
    match = re.search(rf"^-append_partition (\d+) (\S+) {interval}", report, re.MULTILINE)
    if match is None:
        raise UnusableMedium(f"The boot image for UEFI on the ISO {iso.name} is neither a file nor a partition")
    number, kind = match.groups()
    return ("-append_partition", number, kind, str(efi_image))


async def _xorriso(iso: Path, target: Path, parts: Mapping[str, Path], records: Sequence[str]) -> None:
    """Copies the ISO with the parts put in; `replay` takes its boot records, at whatever intervals they lie."""
    # Flushed once at the end: its own habit of doing so all the time doubles the time.
    drives = ("-stdio_sync", "end", "-indev", f"stdio:{iso}", "-outdev", f"stdio:{target}")
    maps = [word for path, source in parts.items() for word in ("-map", str(source), f"/{path}")]
    seconds = _LEAST_SECONDS + await in_thread(lambda: size(iso)) / _BYTES_PER_SECOND
    command = ("xorriso", "-no_rc", "-abort_on", "FAILURE", *drives, "-boot_image", "any", "replay", *maps, *records)
    await programs.build(*command, "-commit", "-end", folder=target.parent, seconds=seconds)


def _verify(target: Path, found: _Found) -> None:
    with image(target) as tree:
        entries, end = boot_entries(tree.file), size(target)
        same = tuple(entry.platform for entry in entries) == found.platforms and tree.label == found.label
        if not same or any(entry.sector * SECTOR >= end for entry in entries):
            raise HostFailure("The remastered ISO does not boot as the given one does")

"""Reading an ISO that somebody else made. What it says of itself is compared with the file before it is believed.

It is read in this process, so it must have been recognised before: that an image does no harm is found out there.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pycdlib import PyCdlib
from pycdlib.pycdlibexception import PyCdlibException

from infinibay.errors import UnusableMedium

SECTOR = 2048
SYSTEM_AREA = 16 * SECTOR
BIOS, UEFI = 0x00, 0xEF
_ENDS = 64 * 1024
_CHUNK = 1024 * 1024
_MOST_DESCRIPTORS = 64
# What a hostile tree makes the library raise, beside its own errors.
_BROKEN = (PyCdlibException, struct.error, ValueError, IndexError, KeyError, RecursionError, OverflowError)


@dataclass(frozen=True)
class Extent:
    """Where a file's bytes lie in the image."""

    offset: int
    length: int


@dataclass(frozen=True)
class BootEntry:
    """One image that the firmware may start: its platform, where the entry lies, the image's first sector, and how
    many pieces of 512 bytes the firmware loads."""

    platform: int
    offset: int
    sector: int
    load: int


def fingerprint(iso: Path) -> str:
    """What tells this very file in its present state from any other; read in a millisecond, whatever its size.

    Device, inode, size and time of the last change, with both ends of the file. Whoever replaces the file gives it
    another inode, and whoever writes into it another time. To keep all of them is to forge the times of a file that
    only the host's root may write; and even then the volume descriptors, which lie in the first end, carry the
    hundredth of a second in which the medium was made. The time of the inode's change is left out because libvirt
    changes the file's owner at each start. Raises UnusableMedium.
    """
    with opened(iso) as file:
        state = os.fstat(file.fileno())
        digest = hashlib.sha256(repr((state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)).encode())
        digest.update(file.read(_ENDS))
        file.seek(max(0, state.st_size - _ENDS))
        digest.update(file.read(_ENDS))
    return digest.hexdigest()


def size(iso: Path) -> int:
    """The size in bytes. Raises UnusableMedium."""
    with opened(iso) as file:
        return os.fstat(file.fileno()).st_size


def label(iso: Path) -> str:
    """The volume's name, by which some installers look for their medium. Raises UnusableMedium."""
    with opened(iso) as file:
        descriptor = _primary_descriptor(file)
    if descriptor is None:
        raise UnusableMedium(f"{iso.name} is not an ISO")
    return _label(descriptor[40:72])


@contextmanager
def opened(iso: Path) -> Iterator[BinaryIO]:
    """The file itself. Raises UnusableMedium when it is gone, no file, or cannot be read."""
    try:
        with iso.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise UnusableMedium(f"The ISO {iso.name} is gone", remedy=f"Put the ISO back as {iso}") from error
    except OSError as error:
        raise UnusableMedium(f"The ISO {iso.name} cannot be read: {error.strerror}") from error


def check_same(iso: Path, medium: str) -> None:
    """Raises UnusableMedium when the ISO is no longer the one that had this fingerprint."""
    if fingerprint(iso) != medium:
        raise UnusableMedium(f"The ISO {iso.name} was changed while it was in use", remedy="Try again with the new one")


@contextmanager
def unchanged(iso: Path, medium: str) -> Iterator[None]:
    """Raises UnusableMedium when the ISO is another than the one with this fingerprint before or after the block."""
    check_same(iso, medium)
    yield
    check_same(iso, medium)


class Image:
    """The files of an ISO, by the richest of the file systems on it."""

    def __init__(self, name: str, iso: PyCdlib, file: BinaryIO) -> None:
        self._name = name
        self._iso = iso
        self.file = file
        self._view = "udf_path" if iso.has_udf() else "rr_path" if iso.has_rock_ridge() else "iso_path"

    @property
    def has_udf(self) -> bool:
        return self._view == "udf_path"

    @property
    def label(self) -> str:
        """The volume's name."""
        return _label(self._iso.pvd.volume_identifier)

    def find(self, path: str) -> Extent | None:
        """Where a file's bytes lie, at 0 those of an empty one; None when there is no such file, or it is a link."""
        try:
            record = self._iso.get_record(**{self._view: f"/{path}"})
            if not record.is_file():
                return None
            if record.inode is None:
                return Extent(0, 0) if record.get_data_length() == 0 else None
            return Extent(record.inode.extent_location() * SECTOR, record.inode.get_data_length())
        except _BROKEN:
            return None

    def files(self) -> Iterator[str]:
        """The paths of all files. Raises UnusableMedium."""
        try:
            for folder, _, names in self._iso.walk(**{self._view: "/"}):
                yield from (f"{folder.strip('/')}/{name}".lstrip("/") for name in names)
        except _BROKEN as error:
            raise self._broken() from error

    def chunks(self, extent: Extent) -> Iterator[bytes]:
        """The bytes of a file, piece by piece. Raises UnusableMedium when the image ends before they do."""
        self.file.seek(extent.offset)
        left = extent.length
        while left:
            try:
                chunk = self.file.read(min(left, _CHUNK))
            except OSError as error:
                raise UnusableMedium(f"The ISO {self._name} cannot be read: {error.strerror}") from error
            if not chunk:
                raise self._broken()
            left -= len(chunk)
            yield chunk

    def read(self, path: str, most: int) -> bytes | None:
        """A small file's content; None when there is none. Raises UnusableMedium when it has more than `most` bytes."""
        extent = self.find(path)
        if extent is None:
            return None
        if extent.length > most:
            raise UnusableMedium(f"{path} on the ISO {self._name} is larger than such a file ever is")
        return b"".join(self.chunks(extent))

    def _broken(self) -> UnusableMedium:
        return _not_readable(self._name)


@contextmanager
def image(iso: Path) -> Iterator[Image]:
    """Opens an ISO's tree. Raises UnusableMedium when it is gone, truncated or no ISO."""
    with opened(iso) as file, read_image(iso.name, file) as tree:
        yield tree


@contextmanager
def read_image(name: str, file: BinaryIO) -> Iterator[Image]:
    """The tree of an open ISO, which errors call by this name. Raises UnusableMedium."""
    check_whole(name, file)
    tree = PyCdlib()
    try:
        tree.open_fp(file)
    except _BROKEN as error:
        raise _not_readable(name) from error
    try:
        yield Image(name, tree, file)
    finally:
        tree.close()


def boot_entries(file: BinaryIO) -> list[BootEntry]:
    """The El Torito catalog: the images that BIOS and UEFI start. Empty for a medium that does not boot."""
    record = _sector(file, 17)
    if record[:7] != b"\x00CD001\x01" or not record[7:].startswith(b"EL TORITO SPECIFICATION"):
        return []
    start = _number(record, 71) * SECTOR
    catalog = _sector(file, start // SECTOR)
    if len(catalog) < SECTOR or catalog[0] != 1:
        return []
    entries, platform, left = [], catalog[1], 1
    for offset in range(32, SECTOR, 32):
        kind = catalog[offset]
        if left:
            left -= 1
            if kind == 0x88:
                load = int.from_bytes(catalog[offset + 6 : offset + 8], "little")
                entries.append(BootEntry(platform, start + offset, _number(catalog, offset + 8), load))
        elif kind in {0x90, 0x91}:
            platform, left = catalog[offset + 1], int.from_bytes(catalog[offset + 2 : offset + 4], "little")
        else:
            break
    return entries


def check_whole(name: str, file: BinaryIO) -> None:
    """Raises UnusableMedium when the file is no ISO, or shorter than its volume descriptors say."""
    descriptor = _primary_descriptor(file)
    if descriptor is None:
        raise UnusableMedium(f"{name} is not an ISO")
    if max(_number(descriptor, 80), _udf_sectors(file)) * SECTOR > os.fstat(file.fileno()).st_size:
        raise UnusableMedium(f"The ISO {name} is truncated", remedy="Bring the whole file again")


def _primary_descriptor(file: BinaryIO) -> bytes | None:
    for number in range(16, 16 + _MOST_DESCRIPTORS):
        descriptor = _sector(file, number)
        if descriptor[1:6] not in {b"CD001", b"BEA01", b"NSR02", b"NSR03", b"TEA01"} or descriptor[0] == 255:
            return None
        if descriptor[0] == 1:
            return descriptor
    return None


def _label(identifier: bytes) -> str:
    return identifier.decode("ascii", errors="replace").rstrip()


def _udf_sectors(file: BinaryIO) -> int:
    """The end of the UDF partition; 0 without one. The anchor in sector 256 tells where its descriptors lie."""
    anchor = _sector(file, 256)
    if _tag(anchor) != 2:
        return 0
    first = _number(anchor, 20)
    for number in range(first, first + _MOST_DESCRIPTORS):
        descriptor = _sector(file, number)
        if _tag(descriptor) == 5:
            return _number(descriptor, 188) + _number(descriptor, 192)
        if _tag(descriptor) in {0, 8}:
            break
    return 0


def _sector(file: BinaryIO, number: int) -> bytes:
    file.seek(number * SECTOR)
    return file.read(SECTOR)


def _number(sector: bytes, offset: int) -> int:
    return int.from_bytes(sector[offset : offset + 4], "little")


def _tag(sector: bytes) -> int:
    return int.from_bytes(sector[:2], "little")


def _not_readable(name: str) -> UnusableMedium:
    return UnusableMedium(f"The ISO {name} cannot be read: its file system is damaged", remedy="Bring the file again")

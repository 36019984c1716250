"""Images of whole disks: what a file is, and whole copies of it that stand on nothing else.

A file from outside may have been made to harm: a qcow2 header can name any file of the host as its backing or data
file, so such a header is refused before any program opens what it names.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infinibay.errors import HostFailure, UnusableMedium
from infinibay.unattended.media import disk, programs
from infinibay.unattended.media.threads import in_thread

Format = Literal["qcow2", "raw"]

_LOOK_SECONDS = 30
_COPY_SECONDS = 6 * 3600
_LIMITS = ("prlimit", f"--as={2 * 1024**3}", "--cpu=20")
_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQ")
_FEATURES_AT, _EXTERNAL_DATA = 72, 1 << 2
_LARGEST = 64 * 1024**4


@dataclass(frozen=True)
class DiskImage:
    """What a file holds: the size of the disk in bytes, and a stamp that changes with the file."""

    format: Format
    size: int
    stamp: str

    @property
    def size_gb(self) -> int:
        """Rounded up."""
        return -(-self.size // 1024**3)


async def look(path: Path) -> DiskImage:
    """What the file is. Raises UnusableMedium for a link, anything but qcow2 and raw, and one that needs another
    file."""
    stamp = await in_thread(lambda: _checked(path))
    try:
        said = await programs.build(
            *_LIMITS, "qemu-img", "info", "--output=json", str(path), folder=path.parent, seconds=_LOOK_SECONDS
        )
        told = json.loads(said)
    except (HostFailure, ValueError) as error:
        raise UnusableMedium(f"{path.name} can't be read as a disk image") from error
    kind, size = told.get("format"), told.get("virtual-size")
    if kind not in ("qcow2", "raw"):
        raise UnusableMedium(f"{path.name} is a disk image of the kind {kind}, neither qcow2 nor raw")
    if not isinstance(size, int) or not 0 < size <= _LARGEST:
        raise UnusableMedium(f"{path.name} has no disk of a size that a machine could have")
    return DiskImage("raw" if kind == "raw" else "qcow2", size, stamp)


def stamp_of(path: Path) -> str:
    """Tells a file's present content from any later one. Raises HostFailure."""
    with disk.told(path.parent):
        return _stamp(path.stat())


async def copy(source: Path, kind: Format, target: Path, *, size: int | None = None) -> None:
    """A qcow2 file with all that the source holds, its backing files included; it appears when it is whole, for its
    owner alone. `size` in bytes makes its disk larger.

    Raises HostFailure when there is no space, or when a guest writes to the source.
    """
    part = target.with_name(f".{target.name}.part")
    options = ("-o", "compat=1.1,lazy_refcounts=on,extended_l2=on")
    try:
        await in_thread(lambda: disk.remove(part))
        convert = ("qemu-img", "convert", "-q", "-f", kind, "-O", "qcow2", *options, str(source), str(part))
        await programs.build(*convert, folder=target.parent, seconds=_COPY_SECONDS)
        if size is not None:
            resize = ("qemu-img", "resize", "-q", "-f", "qcow2", str(part), str(size))
            await programs.build(*resize, folder=target.parent, seconds=_LOOK_SECONDS)
        await in_thread(lambda: _publish(part, target))
    finally:
        await in_thread(lambda: disk.remove(part))


async def remove_part(target: Path) -> None:
    """Removes what an interrupted copy left. Raises HostFailure."""
    await in_thread(lambda: disk.remove(target.with_name(f".{target.name}.part")))


def _publish(part: Path, target: Path) -> None:
    with disk.told(target.parent):
        descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, disk.OWNER_ONLY)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.rename(target)
    disk.sync_folder(target.parent)


def _checked(path: Path) -> str:
    """The stamp of a regular file that needs no other file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnusableMedium(f"{path.name} can't be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if (status.st_mode & 0o170000) != 0o100000:
            raise UnusableMedium(f"{path.name} is no file")
        header = file.read(512)
    if header.startswith(_MAGIC):
        _check_header(path.name, header)
    return _stamp(status)


def _check_header(name: str, header: bytes) -> None:
    if len(header) < _FEATURES_AT + 8:
        raise UnusableMedium(f"{name} is truncated")
    _, version, backing = _HEADER.unpack_from(header)
    if backing:
        raise UnusableMedium(f"{name} stands on another file, and only whole images are taken")
    if version >= 3 and struct.unpack_from(">Q", header, _FEATURES_AT)[0] & _EXTERNAL_DATA:
        raise UnusableMedium(f"{name} keeps its data in another file, and only whole images are taken")


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"

"""Files that are there whole or not at all, and the host's refusals in words."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from infinibay.errors import HostFailure

OWNER_ONLY = 0o600
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def no_space(folder: Path) -> HostFailure:
    """The failure of a file system that is full."""
    return HostFailure(f"There is no space left in {folder}", remedy="Free some space there, then try again")


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Turns the system's errors below a folder into HostFailure."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise no_space(folder) from error
        raise HostFailure(f"Writing below {folder} failed: {error.strerror}") from error


@contextmanager
def whole_file(path: Path, mode: int = OWNER_ONLY) -> Iterator[BinaryIO]:
    """A new file that appears under its name when the block ends well, and leaves nothing when it does not.

    One writer at a time: a file that a killed one left is removed by the next. Raises HostFailure.
    """
    part = _part(path)
    with told(path.parent):
        part.unlink(missing_ok=True)
        # The name is given away only once the bytes are on the disk; until then it is ours alone.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, OWNER_ONLY)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_whole(path: Path, content: bytes, mode: int = OWNER_ONLY) -> None:
    """Writes a file at once; one that already holds these bytes is not touched. Raises HostFailure."""
    with told(path.parent):
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    with whole_file(path, mode) as file:
        file.write(content)


def remove(path: Path) -> None:
    """Removes a file and what an interrupted writer left of it; an absent one is fine. Raises HostFailure."""
    with told(path.parent):
        path.unlink(missing_ok=True)
        _part(path).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def need_space(folder: Path, size: int) -> None:
    """Raises HostFailure when fewer than `size` bytes are free for the folder."""
    with told(folder):
        free = shutil.disk_usage(folder).free
    if free < size:
        raise HostFailure(
            f"{folder} has {free >> 20} MB free, and {size >> 20} MB are needed",
            remedy="Free some space there, then try again",
        )


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")

"""The files of the ISO directory. Names come in checked; links are not followed, so nothing outside is ever read."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infinibay.core.isos import SUFFIX, is_plain_name
from infinibay.errors import HostFailure, NoSpace, NotFound

_CHUNK = 4 * 1024 * 1024
_MOST_NAMES = 1000
_FOLDER_MODE = 0o700
# QEMU's account reads it.
_FILE_MODE = 0o644


class IsoDirectory:
    """Everything blocks. `stamp` tells a file's present content from any later one: inode, size and time of change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Beside the media, so that a rename puts an upload into place; a hidden name is no medium.
        self.uploads = root / ".uploads"

    def path(self, name: str) -> Path:
        """Raises ValueError for a name that could lead anywhere else."""
        if not is_plain_name(name):
            raise ValueError("not a name of the ISO directory")
        return self.root / name

    def scan(self) -> dict[str, tuple[str, int]]:
        """Stamp and size in bytes of each medium, by name."""
        found = {}
        with told(), suppress(FileNotFoundError), os.scandir(self.root) as entries:
            for entry in entries:
                if is_plain_name(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        found[entry.name] = (_stamp(status), status.st_size)
        return found

    def stamp(self, name: str) -> tuple[str, int] | None:
        """Stamp and size of one medium; None when there is no such file."""
        try:
            status = os.lstat(self.path(name))
        except FileNotFoundError:
            return None
        return (_stamp(status), status.st_size) if stat.S_ISREG(status.st_mode) else None

    def make_uploads(self) -> None:
        with told():
            self.uploads.mkdir(mode=_FOLDER_MODE, exist_ok=True)

    def free(self) -> int:
        """Bytes that are free where the media lie."""
        return shutil.disk_usage(self.root).free

    def digest(self, name: str, go_on: Callable[[], bool]) -> tuple[str, str]:
        """Stamp and SHA-256 of a medium. Raises NotFound, or HostFailure when the file changed meanwhile or `go_on`
        said no."""
        with opened(self.path(name)) as number:
            before = _stamp(os.fstat(number))
            digest = hashlib.sha256()
            for chunk in chunks(number):
                if not go_on():
                    raise HostFailure("The reading was stopped")
                digest.update(chunk)
            if _stamp(os.fstat(number)) != before:
                raise HostFailure(f"{name} changed while it was read")
            return before, digest.hexdigest()

    def publish(self, part: Path, stem: str) -> str:
        """Gives a whole file its place under the stem or, where that is taken, the stem with a number; the name.

        The file keeps its old name as well, until the caller has written down the new one.
        """
        with told():
            part.chmod(_FILE_MODE)
            for number in range(1, _MOST_NAMES):
                name = f"{stem}{SUFFIX}" if number == 1 else f"{stem}-{number}{SUFFIX}"
                # Unlike a rename, a link never replaces what is there.
                with suppress(FileExistsError):
                    self.path(name).hardlink_to(part)
                    self.settle()
                    return name
        raise HostFailure(f"There are {_MOST_NAMES} files named {stem}")

    def remove(self, name: str) -> None:
        """Removes a medium; one that is gone already is fine."""
        with told():
            self.path(name).unlink(missing_ok=True)
            self.settle()

    def settle(self) -> None:
        """Makes the names in the directory outlive a loss of power."""
        number = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextmanager
def told() -> Iterator[None]:
    """Raises NoSpace or HostFailure for what the file system refuses; the sentence names no path."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace from error
        raise HostFailure(f"The ISO directory can't be used: {error.strerror}") from error


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of a regular file, to read. Raises NotFound for anything else."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            raise NotFound("There is no such file in the ISO directory") from error
        raise HostFailure(f"{path.name} can't be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise NotFound("There is no such file in the ISO directory")
        yield number
    finally:
        os.close(number)


def chunks(number: int) -> Iterator[bytes]:
    """The rest of an open file."""
    while chunk := os.read(number, _CHUNK):
        yield chunk


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"

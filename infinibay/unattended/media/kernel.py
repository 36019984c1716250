"""The kernel and initrd of a Linux ISO, for a boot that needs no menu: read out of it once, then only linked."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from infinibay.errors import UnusableMedium
from infinibay.unattended.media import disk, initrd
from infinibay.unattended.media.cache import Cache, drop
from infinibay.unattended.media.iso import Extent, Image, fingerprint, image, label, unchanged
from infinibay.unattended.media.threads import in_thread

# Of Ubuntu, of its hardware enablement, of Fedora and its family, of Debian for each architecture.
_PAIRS = (
    ("casper/vmlinuz", "casper/initrd"),
    ("casper/hwe-vmlinuz", "casper/hwe-initrd"),
    ("images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"),
    ("install.amd/vmlinuz", "install.amd/initrd.gz"),
    ("install.a64/vmlinuz", "install.a64/initrd.gz"),
)
_KERNEL, _INITRD = "kernel", "initrd"
_MOST_BYTES = 1024**3
_CHUNK = 1024 * 1024
# Neither holds a secret, and several domains open them at once, whoever owns them at that moment.
_FOR_ALL = 0o644
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK})


@dataclass(frozen=True)
class KernelPair:
    """The paths of a kernel and its initrd on an ISO."""

    kernel: str
    initrd: str


@dataclass(frozen=True)
class BootFiles:
    """What a domain boots directly. `medium` is the fingerprint of the ISO that both come from, `label` its name."""

    kernel: Path
    initrd: Path
    medium: str
    label: str


def kernel_pair(tree: Image) -> KernelPair | None:
    """The kernel and initrd of the installer on an ISO; None when it is not one of those known."""
    return next((KernelPair(*pair) for pair in _PAIRS if all(_has_content(tree, path) for path in pair)), None)


def _has_content(tree: Image, path: str) -> bool:
    extent = tree.find(path)
    return extent is not None and extent.length > 0


class Kernels:
    """Kernels by ISO, in a folder of at most `limit` bytes: the longest unused go first.

    A machine holds links of its own, so that it loses nothing when an entry goes, and nothing is copied.
    """

    def __init__(self, folder: Path, limit: int = 4 * 1024**3) -> None:
        self._cache = Cache(folder)
        self._limit = limit

    async def place(self, iso: Path, directory: Path, added: Mapping[str, bytes] = MappingProxyType({})) -> BootFiles:
        """Puts the kernel and initrd of an ISO into a machine's directory; what is there already is left.

        `added` are files that the kernel finds in its first root file system, by path; the initrd is then the
        machine's own and private. Raises UnusableMedium when the ISO is gone, truncated, changes meanwhile or holds
        no kernel that is known; HostFailure when writing fails; ValueError for a path that cannot be one.
        """
        addition = initrd.archive(added) if added else b""
        medium = await in_thread(lambda: fingerprint(iso))
        name = await in_thread(lambda: label(iso))
        files = BootFiles(directory / _KERNEL, directory / _INITRD, medium, name)
        await self._cache.take(medium, partial(self._read, iso, medium), partial(_place, files, addition))
        await self._cache.visit(self._keep_to_limit)
        return files

    async def remove(self, directory: Path) -> None:
        """Removes a machine's kernel and initrd; absent ones are fine. Raises HostFailure."""
        for name in (_KERNEL, _INITRD):
            await in_thread(partial(disk.remove, directory / name))

    async def _read(self, iso: Path, medium: str, folder: Path) -> None:
        await in_thread(lambda: _read(iso, medium, folder))

    def _keep_to_limit(self, entries: list[Path]) -> None:
        sizes = [sum(file.stat().st_size for file in entry.iterdir()) for entry in entries]
        left = sum(sizes)
        for entry, size in zip(entries, sizes, strict=True):
            if left <= self._limit:
                return
            drop(entry)
            left -= size


def _read(iso: Path, medium: str, folder: Path) -> None:
    with unchanged(iso, medium), image(iso) as tree:
        pair = kernel_pair(tree)
        if pair is None:
            raise UnusableMedium(f"The ISO {iso.name} holds no kernel of an installer that is known")
        for path, name in ((pair.kernel, _KERNEL), (pair.initrd, _INITRD)):
            extent = tree.find(path)
            if extent is None or extent.length > _MOST_BYTES:
                raise UnusableMedium(f"{path} on the ISO {iso.name} is larger than such a file ever is")
            _copy_out(tree, extent, folder / name)


def _copy_out(tree: Image, extent: Extent, target: Path) -> None:
    disk.need_space(target.parent, extent.length)
    with disk.whole_file(target, _FOR_ALL) as file:
        for chunk in tree.chunks(extent):
            file.write(chunk)


def _place(files: BootFiles, addition: bytes, entry: Path) -> None:
    with disk.told(files.kernel.parent):
        _link(entry / _KERNEL, files.kernel)
        if addition:
            _write_own(entry / _INITRD, files.initrd, addition)
        else:
            _link(entry / _INITRD, files.initrd)


def _link(source: Path, target: Path) -> None:
    """Gives a file a second name; on another file system, or where the account may not, a copy."""
    if target.exists() and target.samefile(source):
        return
    disk.remove(target)
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        with source.open("rb") as original, disk.whole_file(target, _FOR_ALL) as copy:
            shutil.copyfileobj(original, copy)


def _write_own(source: Path, target: Path, addition: bytes) -> None:
    tail = initrd.padding(source.stat().st_size) + addition
    if target.is_file() and _is_joined(target, source, tail):
        return
    with source.open("rb") as original, disk.whole_file(target) as own:
        shutil.copyfileobj(original, own)
        own.write(tail)


def _is_joined(target: Path, source: Path, tail: bytes) -> bool:
    """Whether a file is the other with the tail at its end."""
    with target.open("rb") as file, source.open("rb") as start:
        while chunk := start.read(_CHUNK):
            if file.read(len(chunk)) != chunk:
                return False
        return file.read() == tail

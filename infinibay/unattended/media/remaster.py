"""Remastered ISOs: the given one with the answer files inside. Made when asked for, removed when nobody uses them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from infinibay.unattended.media import disk, linux_image, menus, paths, windows_image
from infinibay.unattended.media.cache import Cache, drop
from infinibay.unattended.media.iso import check_same, fingerprint, image, size, unchanged
from infinibay.unattended.media.threads import in_thread

_IMAGE, _USER = "image.iso", "user-"
_KEY = ".key"
# Menus and tables of the new medium, and what is there twice for a while: its initrd and its boot image for UEFI.
_SLACK = 256 * 1024**2
_WAY = b"1"  # To be counted up when the same inputs give another medium.


@dataclass(frozen=True)
class Contents:
    """What a remastered ISO has that the given one has not: files by path on the medium, arguments for the kernel, and
    files by path that it finds in its first root file system. Windows has files only."""

    files: Mapping[str, bytes]
    arguments: tuple[str, ...] = ()
    initrd_files: Mapping[str, bytes] = field(default_factory=dict)


class Remasters:
    """Remastered ISOs by content in one folder, as many built at once as the budget allows.

    An ISO is used by names (a machine's id); it stays as long as one of them uses it, for it holds their secrets.
    """

    def __init__(self, folder: Path, budget: asyncio.Semaphore) -> None:
        self._folder = folder
        self._cache = Cache(folder)
        self._budget = budget

    async def take(self, iso: Path, contents: Contents, user: str) -> Path:
        """The ISO with these contents (0600: libvirt gives it to QEMU at the start), from now on used by `user`.

        Raises UnusableMedium when the given ISO is gone, truncated, changes meanwhile or is of no known kind;
        HostFailure when there is too little space or a program fails; ValueError for paths or arguments that a medium
        cannot carry.
        """
        paths.checked(contents.files)
        paths.checked(contents.initrd_files)
        menus.checked(contents.arguments)
        medium = await in_thread(lambda: fingerprint(iso))
        key = await self._cache.visit(lambda _: _digest(self._folder, medium, contents))
        build = partial(self._build, iso, medium, contents, user)
        return await self._cache.take(key, build, partial(_claim, user)) / _IMAGE

    async def release(self, user: str) -> None:
        """Ends the use by this name, and removes each ISO that nobody uses any more. Raises HostFailure."""
        await self._cache.visit(partial(_release, user))

    async def _build(self, iso: Path, medium: str, contents: Contents, user: str, folder: Path) -> None:
        async with self._budget:
            added = (*contents.files.values(), *contents.initrd_files.values())
            needed = await in_thread(lambda: size(iso)) + sum(map(len, added)) + _SLACK
            await in_thread(lambda: disk.need_space(folder, needed))
            windows = await in_thread(lambda: _is_windows(iso, medium))
            if windows:
                await in_thread(lambda: windows_image.make(iso, folder / _IMAGE, contents.files))
            else:
                await linux_image.make(iso, folder / _IMAGE, contents.files, contents.arguments, contents.initrd_files)
            await in_thread(lambda: _finish(iso, medium, user, folder))


def _is_windows(iso: Path, medium: str) -> bool:
    with unchanged(iso, medium), image(iso) as tree:
        return windows_image.is_windows(tree)


def _finish(iso: Path, medium: str, user: str, folder: Path) -> None:
    """Leaves the image in the folder, on the disk and in use, and only if the ISO stayed the same the whole time."""
    check_same(iso, medium)
    with disk.told(folder):
        _claim(user, folder)
        if (folder / linux_image.WORK).exists():
            shutil.rmtree(folder / linux_image.WORK)
        descriptor = os.open(folder / _IMAGE, os.O_RDONLY)
        try:
            os.fchmod(descriptor, disk.OWNER_ONLY)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _claim(user: str, entry: Path) -> Path:
    (entry / f"{_USER}{user}").touch(disk.OWNER_ONLY)
    return entry


def _release(user: str, entries: list[Path]) -> None:
    for entry in entries:
        (entry / f"{_USER}{user}").unlink(missing_ok=True)
        if not any(entry.glob(f"{_USER}*")):
            drop(entry)


def _digest(folder: Path, medium: str, contents: Contents) -> str:
    """The name of an entry. It is seen by every account of the host, in the arguments of QEMU, and the contents hold
    passwords: without the key nobody can try out which ones give this name."""
    digest = hmac.new(_key(folder), _WAY, hashlib.sha256)
    for part in _parts(medium, contents):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:32]


def _parts(medium: str, contents: Contents) -> Iterable[bytes]:
    yield medium.encode()
    for files in (contents.files, contents.initrd_files):
        yield b"%d" % len(files)
        for path in sorted(files):
            yield path.encode()
            yield files[path]
    yield from (argument.encode() for argument in contents.arguments)


def _key(folder: Path) -> bytes:
    path = folder / _KEY
    if not path.exists():
        disk.write_whole(path, secrets.token_bytes(32))
    return path.read_bytes()

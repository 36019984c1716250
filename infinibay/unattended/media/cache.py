"""A folder of entries that are made once, appear whole or not at all, and are shared by all who ask for them."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from infinibay.unattended.media import disk
from infinibay.unattended.media.threads import in_thread

T = TypeVar("T")

# What has neither name is not ours: the folder may hold other things.
_ENTRY, _BUILDING = "entry-", ".building-"
_PASS_ONLY = 0o711  # QEMU's account passes through, and lists nothing.


class Cache:
    """Entries are folders named by a key that stands for their whole content.

    What others hold of an entry is claimed while nobody can take it away, and outlives the entry or keeps it. Several
    processes may share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take(self, key: str, build: Callable[[Path], Awaitable[None]], claim: Callable[[Path], T]) -> T:
        """The claim on the entry; `build` fills its folder first when there is none. Callers at once build once.

        `claim` runs in a thread and may run again. Raises HostFailure, and whatever both raise.
        """
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            while True:
                claimed = await in_thread(lambda: self._claim(key, claim))
                if claimed:
                    return claimed[0]
                await self._build(key, build)

    async def visit(self, look: Callable[[list[Path]], T]) -> T:
        """Calls `look` in a thread with all entries, oldest use first, while nobody else claims or removes one."""
        return await in_thread(lambda: self._visit(look))

    def _entry(self, key: str) -> Path:
        return self._folder / f"{_ENTRY}{key}"

    def _claim(self, key: str, claim: Callable[[Path], T]) -> tuple[T] | None:
        entry = self._entry(key)
        with disk.told(self._folder), self._alone():
            if not entry.is_dir():
                return None
            now = time.time_ns()  # The file system's own clock is too coarse to tell two uses apart.
            os.utime(entry, ns=(now, now))
            return (claim(entry),)

    def _visit(self, look: Callable[[list[Path]], T]) -> T:
        with disk.told(self._folder), self._alone():
            self._sweep()
            return look(sorted(self._folder.glob(f"{_ENTRY}*"), key=lambda path: path.stat().st_mtime_ns))

    async def _build(self, key: str, build: Callable[[Path], Awaitable[None]]) -> None:
        site = _Site()
        try:
            folder = await in_thread(lambda: self._begin(site))
            await build(folder)
            await in_thread(lambda: self._finish(folder, self._entry(key)))
        finally:
            await in_thread(site.clear)

    def _begin(self, site: _Site) -> Path:
        with disk.told(self._folder), self._alone():
            self._sweep()
            return site.open(self._folder)

    def _sweep(self) -> None:
        for left in self._folder.glob(f"{_BUILDING}*"):
            _remove_if_dead(left)

    def _finish(self, folder: Path, entry: Path) -> None:
        with disk.told(self._folder), self._alone():
            if not entry.exists():
                folder.chmod(_PASS_ONLY)
                disk.sync_folder(folder)
                folder.rename(entry)
                disk.sync_folder(self._folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """For moments only: nobody else, in any process, looks at the entries or changes which there are."""
        if not self._folder.is_dir():
            self._folder.mkdir(mode=_PASS_ONLY, parents=True, exist_ok=True)
            self._folder.chmod(_PASS_ONLY)  # The mode given to mkdir is subject to the umask.
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def drop(entry: Path) -> None:
    """Removes an entry, on a visit. Killed in between, the rest is no entry, and is swept like a dead building."""
    gone = entry.with_name(f"{_BUILDING}{entry.name}")
    entry.rename(gone)
    shutil.rmtree(gone)


class _Site:
    """A folder in which an entry is built. Its lock says that the builder lives; the system drops it with him."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._hold: int | None = None

    def open(self, parent: Path) -> Path:
        self._folder = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=parent))
        self._hold = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self._folder

    def clear(self) -> None:
        """Removes it; after a good end it is an entry and has another name."""
        try:
            if self._folder is not None and self._folder.exists():
                with disk.told(self._folder.parent):
                    shutil.rmtree(self._folder)
        finally:
            if self._hold is not None:
                os.close(self._hold)


def _remove_if_dead(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # Its builder works on it.
    else:
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)

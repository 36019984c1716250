"""Files that are still arriving: each lies under its id beside a note of what it shall become."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from infinibay.errors import NoSpace, NotFound, UploadBusy
from infinibay.host.iso_directory import IsoDirectory, chunks, opened, told


class Digest(Protocol):
    """A hash that grows."""

    def update(self, data: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True)
class Note:
    """Whose upload it is, how many bytes it has at most, and the system that it was said to hold."""

    user_id: str
    length: int
    system: str | None


class Part:
    """An upload's file, held for one writer; `offset` bytes of it are there, and `sha256` is theirs."""

    def __init__(self, number: int, digest: Digest, offset: int, reserve: int) -> None:
        self._number = number
        self.digest = digest
        self.offset = offset
        self._reserve = reserve

    @property
    def sha256(self) -> str:
        return self.digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Raises NoSpace, with nothing of what the disk refused counted."""
        free = os.fstatvfs(self._number)
        if free.f_bavail * free.f_frsize < self._reserve + len(data):
            raise NoSpace
        view = memoryview(data)
        while view:
            with told():
                written = os.pwrite(self._number, view, self.offset)
            self.digest.update(view[:written])
            self.offset += written
            view = view[written:]

    def save(self) -> None:
        """Makes what is there outlive a loss of power."""
        with told():
            os.fsync(self._number)

    def close(self) -> None:
        """Lets the next writer in."""
        os.close(self._number)


class UploadParts:
    """Everything blocks. `reserve` bytes of the disk stay free."""

    def __init__(self, directory: IsoDirectory, reserve: int) -> None:
        self._directory = directory
        self.reserve = reserve
        # The digests of parts that this process wrote last; any other part is read again.
        self._digests: dict[str, tuple[int, Digest]] = {}

    def create(self, note: Note) -> str:
        """A new empty upload's id."""
        self._directory.make_uploads()
        upload_id = str(uuid4())
        with told():
            self._note(upload_id).write_text(json.dumps(asdict(note)))
            os.close(os.open(self.path(upload_id), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        return upload_id

    def path(self, upload_id: str) -> Path:
        """Of an id in the one form that ids have."""
        return self._directory.uploads / f"{upload_id}.part"

    def find(self, upload_id: str) -> tuple[Note, int] | None:
        """An upload and how many bytes of it are there."""
        try:
            note = Note(**json.loads(self._note(upload_id).read_text()))
            return note, self.path(upload_id).stat().st_size
        except (OSError, ValueError, TypeError):
            return None

    def open(self, upload_id: str) -> Part:
        """The part, locked. Raises UploadBusy while another writer has it."""
        number = _locked(self.path(upload_id))
        try:
            offset = os.fstat(number).st_size
            return Part(number, self._digest(upload_id, offset), offset, self.reserve)
        except BaseException:
            os.close(number)
            raise

    def close(self, upload_id: str, part: Part) -> None:
        """Lets the next writer in, who need not read again what is there."""
        self._digests[upload_id] = (part.offset, part.digest)
        part.close()

    def remove(self, upload_id: str) -> None:
        """Forgets an upload; one that is gone already is fine."""
        self._digests.pop(upload_id, None)
        self.path(upload_id).unlink(missing_ok=True)
        self._note(upload_id).unlink(missing_ok=True)

    def sizes(self) -> tuple[int, int]:
        """How many bytes of all uploads are there, and how many are still to come."""
        found = [one for upload_id in self._ids() if (one := self.find(upload_id)) is not None]
        return sum(there for _, there in found), sum(max(0, note.length - there) for note, there in found)

    def expire(self, seconds: float) -> list[str]:
        """Removes uploads that nobody has written to for so long, and what a crash left of others; their ids."""
        latest = time.time() - seconds
        gone = []
        for upload_id in self._ids():
            with suppress(UploadBusy):
                if max(self._changed(upload_id), default=latest) < latest:
                    self._remove_unless_busy(upload_id)
                    gone.append(upload_id)
        return gone

    def _remove_unless_busy(self, upload_id: str) -> None:
        with suppress(NotFound):
            os.close(_locked(self.path(upload_id)))
        self.remove(upload_id)

    def _changed(self, upload_id: str) -> Iterator[float]:
        for path in (self.path(upload_id), self._note(upload_id)):
            with suppress(FileNotFoundError):
                yield path.stat().st_mtime

    def _ids(self) -> set[str]:
        try:
            return {path.stem for path in self._directory.uploads.iterdir() if path.suffix in (".part", ".json")}
        except FileNotFoundError:
            return set()

    def _note(self, upload_id: str) -> Path:
        return self._directory.uploads / f"{upload_id}.json"

    def _digest(self, upload_id: str, offset: int) -> Digest:
        """The digest of what is there already."""
        known, digest = self._digests.pop(upload_id, (-1, None))
        if digest is not None and known == offset:
            return digest
        fresh = hashlib.sha256()
        with opened(self.path(upload_id)) as number:
            for chunk in chunks(number):
                fresh.update(chunk)
        return fresh


def _locked(path: Path) -> int:
    """A descriptor for one writer, whatever process it is in. Raises UploadBusy."""
    try:
        number = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFound("There is no such upload") from error
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(number)
        raise UploadBusy from error
    return number

"""Media that arrive over the network: piece by piece or at once, and into place only when whole and recognised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from infinibay.core.access import Principal
from infinibay.core.isos import stem_for, system_of_word
from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.db import isos, rows
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, FieldProblem, NoSpace, NotFound, TooLarge
from infinibay.host.upload_parts import Note, Part, UploadParts
from infinibay.services.isos.library import UNKNOWN, IsoLibrary
from infinibay.services.isos.recognition import NoMedium, recognized

LARGEST_BYTES = 100 * 1000**3
KEPT_SECONDS = 24 * 3600
# Bytes of the disk that uploads leave to everybody else.
RESERVE_BYTES = 1024**3
_PIECE = 1024 * 1024
T = TypeVar("T")


@dataclass(frozen=True)
class Upload:
    """An upload that has not ended: `offset` of `length` bytes are there."""

    id: str
    offset: int
    length: int


class IsoUploads:
    """Parts are kept for 24 hours after the last byte. Each belongs to the user who began it."""

    def __init__(self, database: Database, library: IsoLibrary, parts: UploadParts, quota_bytes: int) -> None:
        self._database = database
        self._library = library
        self._parts = parts
        self._quota_bytes = quota_bytes

    async def begin(self, principal: Principal, length: int, system: str | None) -> Upload:
        """A new upload of so many bytes. Raises BadUserInput, TooLarge or NoSpace."""
        if length < 1:
            raise BadUserInput(FieldProblem("length", "An upload has at least one byte"))
        note = Note(principal.user_id, length, _checked_system(system))
        return Upload(await self._create(note), 0, length)

    async def find(self, principal: Principal, upload_id: str) -> Upload:
        """How far it is. Raises NotFound, for somebody else's too."""
        note, offset = await self._found(principal, upload_id)
        return Upload(upload_id, offset, note.length)

    async def add(self, principal: Principal, upload_id: str, offset: int, pieces: AsyncIterator[bytes]) -> Upload:
        """Appends what comes; what came before an error or a cancellation is kept.

        Raises NotFound, Conflict when the offset is not where the upload stands, UploadBusy, TooLarge or NoSpace.
        """
        note, _ = await self._found(principal, upload_id)
        part = await _settled(lambda: self._parts.open(upload_id))
        try:
            if part.offset != offset:
                raise Conflict(f"The upload stands at byte {part.offset}")
            await self._receive(part, pieces, note.length)
            return Upload(upload_id, part.offset, note.length)
        finally:
            await _settled(lambda: self._parts.close(upload_id, part))

    async def finish(self, principal: Principal, upload_id: str) -> rows.Iso:
        """Puts a whole upload into place. Raises BadUserInput, and forgets the upload, when it is no medium; after
        every other error it can be finished again."""
        note, offset = await self._found(principal, upload_id)
        if offset != note.length:
            raise Conflict(f"The upload stands at byte {offset}")
        part = await _settled(lambda: self._parts.open(upload_id))
        try:
            await _settled(part.save)
            row = await self._placed(upload_id, note, part.sha256)
        except BadUserInput:
            await self._forget(upload_id)
            raise
        finally:
            await _settled(lambda: self._parts.close(upload_id, part))
        await self._forget(upload_id)
        return row

    async def cancel(self, principal: Principal, upload_id: str) -> None:
        """Forgets an upload. Raises NotFound, or UploadBusy while it is written."""
        await self._found(principal, upload_id)
        part = await _settled(lambda: self._parts.open(upload_id))
        await _settled(part.close)
        await self._forget(upload_id)

    async def at_once(
        self,
        principal: Principal | None,
        most: int,
        pieces: AsyncIterator[bytes],
        system: Callable[[], Awaitable[str | None]],
    ) -> rows.Iso:
        """A whole medium of at most so many bytes; `system` is asked once all has come, and may refuse it then. Nothing
        is kept on failure.

        Without a principal it is the operator at the command line.
        """
        user_id = principal.user_id if principal else ""
        upload_id = await self._create(Note(user_id, most, None))
        try:
            part = await _settled(lambda: self._parts.open(upload_id))
            try:
                await self._receive(part, pieces, most)
                await _settled(part.save)
                note = Note(user_id, most, _checked_system(await system()))
                return await self._placed(upload_id, note, part.sha256)
            finally:
                await _settled(part.close)
        finally:
            await self._forget(upload_id)

    async def expire(self) -> list[str]:
        """Forgets the uploads that nobody has continued."""
        return await asyncio.to_thread(self._parts.expire, KEPT_SECONDS)

    async def _create(self, note: Note) -> str:
        if note.length > LARGEST_BYTES:
            raise TooLarge(FieldProblem("length", f"A medium has at most {LARGEST_BYTES // 1000**3} GB"))
        await self.expire()
        return await _settled(lambda: self._create_within_space(note))

    def _create_within_space(self, note: Note) -> str:
        directory = self._library.directory
        directory.make_uploads()
        there, coming = self._parts.sizes()
        used = sum(size for _, size in directory.scan().values())
        if used + there + coming + note.length > self._quota_bytes:
            raise NoSpace(f"All media together may have {self._quota_bytes // 1000**3} GB")
        if directory.free() < coming + note.length + self._parts.reserve:
            raise NoSpace
        return self._parts.create(note)

    async def _receive(self, part: Part, pieces: AsyncIterator[bytes], length: int) -> None:
        """Writes in pieces of a megabyte, so that memory does not grow with the medium."""
        waiting = bytearray()

        async def flush() -> None:
            data = bytes(waiting)
            waiting.clear()
            await _settled(lambda: part.write(data))

        try:
            async for piece in pieces:
                if part.offset + len(waiting) + len(piece) > length:
                    raise TooLarge(FieldProblem("file", f"More than {length} bytes came"))
                waiting += piece
                if len(waiting) >= _PIECE:
                    await flush()
        finally:
            if waiting:
                await flush()

    async def _placed(self, upload_id: str, note: Note, sha256: str) -> rows.Iso:
        path, directory = self._parts.path(upload_id), self._library.directory
        try:
            found = await recognized(path)
        except NoMedium as error:
            raise BadUserInput(FieldProblem("file", str(error))) from error
        if not found.system or found.problem:
            raise BadUserInput(FieldProblem("file", found.problem or UNKNOWN))
        if note.system not in (None, found.system):
            raise BadUserInput(FieldProblem("os", f"It holds {OPERATING_SYSTEMS[found.system].title}"))
        await self._library.sync()
        async with self._library.changing:
            if (same := await isos.find_by_checksum(self._database, sha256)) is not None:
                return same
            name = await _settled(lambda: directory.publish(path, stem_for(found)))
            try:
                row = await self._library.keep(name, found, sha256=sha256, actor_id=note.user_id or None)
            except BaseException:
                await _settled(lambda: directory.remove(name))
                raise
        if row is None:
            raise Conflict("The file was removed at the same moment")
        return row

    async def _found(self, principal: Principal, upload_id: str) -> tuple[Note, int]:
        found = await asyncio.to_thread(self._parts.find, upload_id)
        if found is None or found[0].user_id != principal.user_id:
            raise NotFound("There is no such upload")
        return found

    async def _forget(self, upload_id: str) -> None:
        await _settled(lambda: self._parts.remove(upload_id))


def _checked_system(word: str | None) -> str | None:
    """Raises BadUserInput for a word that is no system."""
    if not word:
        return None
    system = system_of_word(word)
    if system is None:
        raise BadUserInput(FieldProblem("os", f"A system is one of {', '.join(OPERATING_SYSTEMS)}"))
    return system


async def _settled(call: Callable[[], T]) -> T:
    """A call in a thread that has ended when this returns or raises, also when the caller is cancelled meanwhile: its
    file would otherwise be closed below its hands."""
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise

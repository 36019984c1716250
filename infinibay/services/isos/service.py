"""The library as administrators use it; who may, the edges ask before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from infinibay.core.access import Principal
from infinibay.core.isos import is_plain_name, system_of_word
from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.db import isos, rows
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, FieldProblem, NotFound
from infinibay.services import idempotency
from infinibay.services.isos.library import MISSING, UNKNOWN, IsoLibrary, IsoView, problem_of, tell
from infinibay.services.isos.recognition import NoMedium, recognized

_CHANGED = "Its content is not the one that its checksum was taken of"


@dataclass(frozen=True)
class Registration:
    """A file of the ISO directory as a client describes it; each part must be true of the file."""

    filename: str
    system: str
    path: str
    size: float


@dataclass(frozen=True)
class SystemStatus:
    """A system in capitals, whether a machine with it can be made without naming a medium, and that medium."""

    system: str
    available: bool
    view: IsoView | None


@dataclass(frozen=True)
class SystemReadiness:
    """Which systems can be installed, in capitals."""

    available: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def ready(self) -> bool:
        return bool(self.available)


class IsoService:
    """Each change writes an event `iso.registered|updated|removed` {isoId, filename, os}. Without a principal it is the
    operator at the command line."""

    def __init__(self, database: Database, library: IsoLibrary) -> None:
        self._database = database
        self._library = library

    async def list(self, *, usable_alone: bool) -> Sequence[IsoView]:
        """All media by name, or those that machines can be installed from."""
        views = await self._library.views()
        return [view for view in views if view.row.problem is None] if usable_alone else views

    async def find(self, iso_id: str) -> IsoView | None:
        return next((view for view in await self._library.views() if view.row.id == iso_id), None)

    async def statuses(self, words: Sequence[str], field: str) -> Sequence[SystemStatus]:
        """How it stands with each system that is named. Raises BadUserInput, of the field, for a word that is none."""
        systems = [_known_system(word, field) for word in words]
        own = {view.row.os: view for view in await self._library.views() if view.is_default}
        return [_status(system, own.get(system)) for system in systems]

    async def readiness(self) -> SystemReadiness:
        found = await self.statuses(tuple(OPERATING_SYSTEMS), "os")
        return SystemReadiness(
            available=tuple(status.system for status in found if status.available),
            missing=tuple(status.system for status in found if not status.available),
        )

    async def register(self, principal: Principal | None, wanted: Registration) -> IsoView:
        """Takes a file that lies in the ISO directory. Raises BadUserInput that names what is not true of it."""
        library = self._library
        system = self._checked(wanted)
        async with library.changing:
            status = await asyncio.to_thread(library.directory.stamp, wanted.filename)
            if status is None:
                raise BadUserInput(FieldProblem("filename", "There is no such file in the ISO directory"))
            if wanted.size != status[1]:
                raise BadUserInput(FieldProblem("size", f"The file has {status[1]} bytes"))
            try:
                found = await recognized(library.directory.path(wanted.filename))
            except NoMedium as error:
                raise BadUserInput(FieldProblem("filename", str(error))) from error
            if not found.system or found.problem:
                raise BadUserInput(FieldProblem("filename", found.problem or UNKNOWN))
            if found.system != system:
                raise BadUserInput(FieldProblem("os", f"It holds {OPERATING_SYSTEMS[found.system].title}"))
            known = await isos.find_by_name(self._database, wanted.filename)
            sha256 = known.sha256 if known is not None and known.stamp == status[0] else None
            row = await library.keep(
                wanted.filename, found, sha256=sha256, actor_id=principal.user_id if principal else None
            )
        if row is None:
            raise BadUserInput(FieldProblem("filename", "The file vanished meanwhile"))
        return await self._view(row.id)

    async def choose(self, principal: Principal | None, iso_id: str) -> IsoView:
        """Makes it the medium that its system is installed from. Raises NotFound, or Conflict when it can't be used."""
        async with self._database.tx() as tx:
            await isos.take_turns(tx)
            row = await isos.find(tx, iso_id)
            if row is None:
                raise _absent()
            if row.problem is not None:
                raise Conflict(f"{row.filename} can't be used. {row.problem}")
            await isos.choose(tx, row)
            await idempotency.settle(tx, {"iso": row.id})
            await tell(tx, "iso.updated", row, principal.user_id if principal else None)
        return await self._view(iso_id)

    async def remove(self, principal: Principal, iso_id: str) -> None:
        """Removes row and file. Raises NotFound, or Conflict while a machine has it in its drive."""
        directory = self._library.directory
        async with self._library.changing, self._database.tx() as tx:
            await isos.take_turns(tx)
            row = await isos.lock(tx, iso_id)
            if row is None:
                raise _absent()
            path = directory.path(row.filename)
            if users := await isos.machines_with(tx, str(path)):
                named = ", ".join(f'"{name}"' for name in users[:3]) + (" …" if len(users) > 3 else "")
                raise Conflict(f"{row.filename} is in the drive of {named}")
            # Before the commit: a crash in between leaves a row whose file is missing, never a file that comes back.
            await asyncio.to_thread(directory.remove, row.filename)
            await isos.delete(tx, row.id)
            await idempotency.settle(tx, {"value": True})
            await tell(tx, "iso.removed", row, principal.user_id)

    async def validate(self, iso_id: str) -> bool:
        """Whether the file is there, whole, and what it was when its checksum was taken. Reads all of it.

        Raises MediumUnread, with nothing written, when it can't be told now.
        """
        row = await self._row(iso_id)
        if row.stamp is None:
            return False
        try:
            found = await recognized(self._library.directory.path(row.filename))
            stamp, sha256 = await self._library.digest(row.filename)
        except (NoMedium, NotFound) as error:
            await isos.verified(self._database, row.id, datetime.now(UTC), str(error))
            return False
        if stamp != row.stamp:
            return False
        if row.sha256 is None:
            await isos.set_checksum(self._database, row.id, stamp, sha256)
        problem = problem_of(row.filename, found)
        if row.problem not in (None, _CHANGED, problem):
            await self._library.understood(row, found)
        if row.sha256 not in (None, sha256):
            problem = _CHANGED
        await isos.verified(self._database, row.id, datetime.now(UTC), problem)
        return problem is None

    async def checksum(self, iso_id: str) -> str:
        """The SHA-256 of the file as it is now. Raises NotFound, or Conflict when the file is missing."""
        row = await self._row(iso_id)
        if row.stamp is None:
            raise Conflict(f"{row.filename} can't be read. {MISSING}")
        stamp, sha256 = await self._library.digest(row.filename)
        await isos.set_checksum(self._database, row.id, stamp, sha256)
        return sha256

    async def sync(self) -> None:
        """Notices what was put into the directory, changed or taken away by hand."""
        await self._library.sync()

    def _checked(self, wanted: Registration) -> str:
        problems = []
        if not is_plain_name(wanted.filename):
            problems.append(FieldProblem("filename", "It must be the name of a file in the ISO directory, with .iso"))
        elif wanted.path not in (wanted.filename, str(self._library.directory.path(wanted.filename))):
            problems.append(FieldProblem("path", "Only files of the ISO directory can be registered"))
        system = system_of_word(wanted.system)
        if system is None:
            problems.append(_unknown_system("os"))
        if problems or system is None:
            raise BadUserInput(*problems)
        return system

    async def _row(self, iso_id: str) -> rows.Iso:
        await self._library.sync()
        row = await isos.find(self._database, iso_id)
        if row is None:
            raise _absent()
        return row

    async def _view(self, iso_id: str) -> IsoView:
        view = await self.find(iso_id)
        if view is None:
            raise _absent()
        return view


def _status(system: str, view: IsoView | None) -> SystemStatus:
    available = view is not None and view.row.problem is None
    return SystemStatus(system.upper(), available, view if available else None)


def _known_system(word: str, field: str) -> str:
    system = system_of_word(word)
    if system is None:
        raise BadUserInput(_unknown_system(field))
    return system


def _unknown_system(field: str) -> FieldProblem:
    return FieldProblem(field, f"A system is one of {', '.join(name.upper() for name in OPERATING_SYSTEMS)}")


def _absent() -> NotFound:
    return NotFound("ISO not found")

"""The library: rows that tell the truth about the files of the ISO directory, however those got there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infinibay.core.iso_recognition import Recognized
from infinibay.core.isos import default_of, defaults, system_of_name
from infinibay.core.operating_systems import OperatingSystem
from infinibay.db import events, isos, rows
from infinibay.db.client import Database
from infinibay.errors import FieldProblem, MediumUnread
from infinibay.host.iso_directory import IsoDirectory
from infinibay.log import get_logger
from infinibay.services.isos.contents import contents_of, medium_of
from infinibay.services.isos.recognition import NoMedium, recognized
from infinibay.unattended.installation import Medium

log = get_logger(__name__)

MISSING = "The file is missing"
UNKNOWN = "It says nothing of a system that is known here"


@dataclass(frozen=True)
class IsoView:
    """A medium, and whether its system is installed from it unless another is asked for."""

    row: rows.Iso
    is_default: bool


@dataclass(frozen=True)
class Choice:
    """What a new machine is installed from: the file's path, its row if there is one, or what is wrong. `medium` is
    what an unattended installation has to know of it; None when its own words were not understood."""

    path: Path
    iso_id: str | None = None
    problem: FieldProblem | None = None
    medium: Medium | None = None


class IsoLibrary:
    """Files are the truth. A file whose content names a system that can be installed has a row, and so has
    `<os>.iso`, whose name says it; anything else in the directory is left alone."""

    def __init__(self, database: Database, directory: IsoDirectory) -> None:
        self._database = database
        self.directory = directory
        # One change of files and rows at a time; another process meets the database's own constraints.
        self.changing = asyncio.Lock()
        self._strangers: dict[str, tuple[str, str]] = {}

    @property
    def strangers(self) -> dict[str, str]:
        """Files that are no media, each with the reason, as the last `sync` found them."""
        return {name: reason for name, (_, reason) in sorted(self._strangers.items())}

    async def sync(self) -> list[rows.Iso]:
        """Compares files and rows; what is new or changed is looked into, what vanished is marked. The rows by name."""
        known, changes = await self._compared()
        if not changes:
            return known
        async with self.changing:
            _, changes = await self._compared()
            for change in changes:
                await change()
        return await isos.all_by_name(self._database)

    async def views(self) -> list[IsoView]:
        """All media by name, as the files are now."""
        return viewed(await self.sync())

    async def choice(self, system: OperatingSystem, iso_id: str | None) -> Choice:
        """The medium of a new machine: the one that is asked for, or the system's own."""
        found = await self.sync()
        if iso_id is None:
            row, field = default_of(found, system.name), "os"
        else:
            row, field = next((one for one in found if one.id == iso_id), None), "isoId"
        if row is None:
            problem = (
                _none_for(system) if iso_id is None else FieldProblem(field, "There is no such installation medium")
            )
            return Choice(self.directory.path(system.iso_name), problem=problem)
        path = self.directory.path(row.filename)
        if row.os != system.name:
            return Choice(path, problem=FieldProblem(field, f"{row.filename} holds no {system.title}"))
        if row.problem is not None:
            message = f"The installation medium {row.filename} can't be used. {row.problem}"
            return Choice(path, problem=FieldProblem(field, message, remedy="Put a whole one into its place"))
        return Choice(path, row.id, medium=medium_of(row))

    async def digest(self, name: str) -> tuple[str, str]:
        """Stamp and SHA-256 of a file; a cancelled caller ends the reading. Raises NotFound or HostFailure."""
        stopped = threading.Event()
        try:
            return await asyncio.to_thread(self.directory.digest, name, lambda: not stopped.is_set())
        finally:
            stopped.set()

    async def keep(self, name: str, found: Recognized, *, sha256: str | None, actor_id: str | None) -> rows.Iso | None:
        """Writes the row of a file that was looked into; None when the file is gone."""
        status = await asyncio.to_thread(self.directory.stamp, name)
        if status is None:
            return None
        values = _values(found, found.system, status, sha256, found.problem)
        return await self._put(name, values, actor_id)

    async def understood(self, row: rows.Iso, found: Recognized) -> None:
        """Writes what a file holds that was not read, or not understood, when it was looked at."""
        status = (str(row.stamp), row.sizeBytes)
        problem = problem_of(row.filename, found)
        values = _values(found, _system_on(row.filename, found) or row.os, status, row.sha256, problem)
        async with self._database.tx() as tx:
            await isos.take_turns(tx)
            before = await isos.find(tx, row.id)
            if before is not None and before.stamp == row.stamp:
                await self._write(tx, before, row.filename, values, None)

    async def _compared(self) -> tuple[list[rows.Iso], list[Callable[[], Awaitable[None]]]]:
        """The rows, and what is to be done until they are as the files."""
        files = await asyncio.to_thread(self.directory.scan)
        known = await isos.all_by_name(self._database)
        for name in self._strangers.keys() - files.keys():
            del self._strangers[name]
        changes: list[Callable[[], Awaitable[None]]] = [
            partial(self._miss, row) for row in known if row.filename not in files and row.stamp is not None
        ]
        by_name = {row.filename: row for row in known}
        for name, (stamp, size) in files.items():
            row = by_name.get(name)
            is_new = row is None or row.stamp != stamp
            if is_new and self._strangers.get(name, ("",))[0] != stamp:
                changes.append(partial(self._look, name, stamp, size, row))
        return known, changes

    async def _look(self, name: str, stamp: str, size: int, row: rows.Iso | None) -> None:
        by_name = system_of_name(name)
        try:
            found = await recognized(self.directory.path(name))
        except (NoMedium, MediumUnread) as error:
            # Also when it was only slow, for who lists the media must not wait for it each time; `understood` mends it.
            system = by_name or (row.os if row else None)
            if system is None:
                self._strangers[name] = (stamp, str(error))
                log.info("isos.file_is_no_medium", reason=str(error))
            else:
                nothing = Recognized("", None, (), None, "", ())
                await self._put(name, _values(nothing, system, (stamp, size), None, str(error)), None)
            return
        system = _system_on(name, found)
        if row is None and by_name is None and (found.problem or not system):
            self._strangers[name] = (stamp, found.problem or UNKNOWN)
            return
        self._strangers.pop(name, None)
        values = _values(found, system or (row.os if row else ""), (stamp, size), None, problem_of(name, found))
        await self._put(name, values, None)

    async def _put(self, name: str, values: isos.IsoValues, actor_id: str | None) -> rows.Iso:
        async with self._database.tx() as tx:
            await isos.take_turns(tx)
            before = await isos.find_by_name(tx, name)
            # Another process may have looked into the same file meanwhile.
            if before is not None and before.stamp == values.stamp and values.sha256 in (None, before.sha256):
                return before
            return await self._write(tx, before, name, values, actor_id)

    async def _write(
        self, tx: Database, before: rows.Iso | None, name: str, values: isos.IsoValues, actor_id: str | None
    ) -> rows.Iso:
        if before is not None and before.isDefault and before.os != values.os:
            await isos.release_default(tx, before.id)
        row = await isos.put(tx, name, values)
        await tell(tx, "iso.registered" if before is None else "iso.updated", row, actor_id)
        return row

    async def _miss(self, row: rows.Iso) -> None:
        async with self._database.tx() as tx:
            await isos.take_turns(tx)
            if (present := await isos.find(tx, row.id)) is None or present.stamp != row.stamp:
                return
            await isos.miss(tx, row.id, MISSING)
            await tell(tx, "iso.updated", row, None)


def _system_on(name: str, found: Recognized) -> str:
    """The system that content or name tell, "" when neither does."""
    return found.system or system_of_name(name) or ""


def problem_of(name: str, found: Recognized) -> str | None:
    """Why a file that was read is of no use."""
    return found.problem if _system_on(name, found) else UNKNOWN


def viewed(found: Sequence[rows.Iso]) -> list[IsoView]:
    chosen = defaults(found)
    return [IsoView(row, row.id in chosen) for row in found]


async def tell(tx: Database, kind: str, row: rows.Iso, actor_id: str | None) -> None:
    """Writes the event of a change."""
    data = {"isoId": row.id, "filename": row.filename, "os": row.os}
    await events.append(tx, kind=kind, data=data, actor_id=actor_id)


def _none_for(system: OperatingSystem) -> FieldProblem:
    return FieldProblem(
        "os",
        f"There is no installation medium for {system.title}",
        remedy=f"Put its ISO into the ISO directory as {system.iso_name}",
    )


def _values(
    found: Recognized, system: str, status: tuple[str, int], sha256: str | None, problem: str | None
) -> isos.IsoValues:
    stamp, size = status
    return isos.IsoValues(
        os=system,
        version=found.version,
        editions=found.editions,
        architecture=found.architecture,
        label=found.label or None,
        boots=found.boots,
        size_bytes=size,
        stamp=stamp,
        sha256=sha256,
        problem=problem,
        contents=contents_of(found) if found.system == system and found.version else None,
    )

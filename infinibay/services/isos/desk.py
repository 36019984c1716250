"""The library from the command line: the operator's own files come in, and all files are looked through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from infinibay.db.client import Database
from infinibay.errors import BadUserInput, FieldProblem, MediumUnread
from infinibay.services.isos.library import IsoLibrary, IsoView
from infinibay.services.isos.service import IsoService
from infinibay.services.isos.uploads import IsoUploads

_PIECE = 1024 * 1024


@dataclass(frozen=True)
class Checked:
    """A file of the ISO directory, and why it is of no use; None when all is well."""

    filename: str
    problem: str | None


class IsoDesk:
    """Works with the server running or stopped."""

    def __init__(self, database: Database, library: IsoLibrary, service: IsoService, uploads: IsoUploads) -> None:
        self._database = database
        self._library = library
        self._service = service
        self._uploads = uploads

    async def add(self, file: Path, *, default: bool) -> IsoView:
        """Copies a file into the library under a name of its content. Raises BadUserInput or NoSpace."""
        if not await asyncio.to_thread(file.is_file):
            raise BadUserInput(FieldProblem("file", f"{file} is no file"))
        size = (await asyncio.to_thread(file.stat)).st_size
        row = await self._uploads.at_once(None, size, _pieces(file), _unnamed)
        view = await self._service.choose(None, row.id) if default else await self._service.find(row.id)
        if view is None:
            raise BadUserInput(FieldProblem("file", "The copy vanished meanwhile"))
        return view

    async def list(self) -> Sequence[IsoView]:
        return await self._service.list(usable_alone=False)

    @staticmethod
    def line(view: IsoView) -> str:
        """One medium as people read it."""
        row = view.row
        facts = (row.os, row.version, row.architecture, f"{row.sizeBytes / 1000**3:.1f} GB", row.problem)
        return f"{'*' if view.is_default else ' '} {row.filename}: {', '.join(fact for fact in facts if fact)}"

    async def check(self) -> Sequence[Checked]:
        """Reads every medium as a whole; files that are no media are named as well."""
        checked = []
        for view in await self.list():
            try:
                right = await self._service.validate(view.row.id)
            except MediumUnread as error:
                checked.append(Checked(view.row.filename, error.message))
                continue
            after = await self._service.find(view.row.id)
            problem = after.row.problem if after else "It vanished meanwhile"
            checked.append(Checked(view.row.filename, None if right else problem or "It changed while it was read"))
        strangers = [Checked(name, reason) for name, reason in self._library.strangers.items()]
        return [*checked, *strangers]


async def _unnamed() -> None:
    """The system is whatever the file holds."""


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(file.open, "rb") as opened:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece

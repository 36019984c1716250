"""The library of installation media, of a server and from the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from infinibay.bootstrap.foundation import make_directories, opened_database
from infinibay.db.client import Database
from infinibay.host.iso_directory import IsoDirectory
from infinibay.host.upload_parts import UploadParts
from infinibay.services.isos.desk import IsoDesk
from infinibay.services.isos.keeper import IsoKeeper
from infinibay.services.isos.library import IsoLibrary
from infinibay.services.isos.service import IsoService
from infinibay.services.isos.uploads import RESERVE_BYTES, IsoUploads
from infinibay.settings import Settings


@dataclass(frozen=True)
class IsoParts:
    """What the library consists of; all of it shares the one that compares files and rows."""

    library: IsoLibrary
    service: IsoService
    uploads: IsoUploads
    keeper: IsoKeeper


def iso_parts(settings: Settings, database: Database) -> IsoParts:
    """Wires the library to the ISO directory."""
    directory = IsoDirectory(settings.infinibay_iso_dir)
    library = IsoLibrary(database, directory)
    parts = UploadParts(directory, RESERVE_BYTES)
    uploads = IsoUploads(database, library, parts, settings.infinibay_iso_quota_gb * 1000**3)
    return IsoParts(library, IsoService(database, library), uploads, IsoKeeper(database, library, uploads))


@asynccontextmanager
async def iso_desk(settings: Settings) -> AsyncIterator[IsoDesk]:
    """The library for the command line, with the server running or stopped."""
    make_directories(settings)
    async with opened_database(settings) as (_, database):
        parts = iso_parts(settings, database)
        yield IsoDesk(database, parts.library, parts.service, parts.uploads)

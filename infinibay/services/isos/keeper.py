"""What is done for the library beside all requests: noticing files, taking checksums, forgetting old uploads."""

from __future__ import annotations

import asyncio

from infinibay.db import isos
from infinibay.db.client import Database
from infinibay.errors import InfinibayError
from infinibay.log import get_logger
from infinibay.services.isos.library import IsoLibrary
from infinibay.services.isos.uploads import IsoUploads

log = get_logger(__name__)
_ROUND_SECONDS = 30.0


class IsoKeeper:
    """Runs in processes that work for a host. A checksum that is missing in a row is work still to do, so a restart
    needs no memory of it; taking it twice harms nobody."""

    def __init__(self, database: Database, library: IsoLibrary, uploads: IsoUploads) -> None:
        self._database = database
        self._library = library
        self._uploads = uploads
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._work(), name="iso-keeper")

    async def stop(self) -> None:
        """Ends also the reading of a file."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def round(self) -> None:
        """Once everything that there is to do."""
        await self._uploads.expire()
        await self._library.sync()
        for row in await isos.without_checksum(self._database):
            try:
                stamp, sha256 = await self._library.digest(row.filename)
            except InfinibayError as error:
                log.info("isos.checksum_not_taken", iso_id=row.id, reason=error.message)
                continue
            await isos.set_checksum(self._database, row.id, stamp, sha256)

    async def _work(self) -> None:
        while True:
            try:
                await self.round()
            except (InfinibayError, OSError) as error:
                log.warning("isos.round_failed", reason=str(error))
            await asyncio.sleep(_ROUND_SECONDS)

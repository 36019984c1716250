"""Which of the database's hosts this one is. Its name may change at any time; its machines refer to its id."""

from __future__ import annotations

import asyncio
from pathlib import Path

from infinibay.db import hosts, rows
from infinibay.db.client import Database
from infinibay.errors import UniqueViolation
from infinibay.host.identity import keep_id, kept_id
from infinibay.host.resources import boot_id
from infinibay.log import get_logger

log = get_logger(__name__)


async def identify(database: Database, file: Path, name: str, libvirt_uri: str, *, alone: bool) -> rows.Host:
    """This host's row, whose id `file` keeps; both are written at the first start, and the row follows name and URI.

    `alone` says that no other host can use the database. Raises SettingError for a file that is damaged or can't be
    written.
    """
    kept = await asyncio.to_thread(kept_id, file)
    host = await hosts.find(database, kept) if kept else None
    if host is None:
        # Processes that start together agree on the row by its unique name, so it matters not whose file remains.
        host = await _recognised(database, name, libvirt_uri, alone=alone)
        host = host or await hosts.ensure(database, name, libvirt_uri)
        await asyncio.to_thread(keep_id, file, host.id)
        log.info("host.id_kept", host_id=host.id, name=host.name, file=str(file))
    if host.libvirtUri != libvirt_uri:
        await hosts.set_uri(database, host.id, libvirt_uri)
    return host if host.name == name else await _renamed(database, host, name)


async def _recognised(database: Database, name: str, libvirt_uri: str, *, alone: bool) -> rows.Host | None:
    """The row of a host whose file is missing or of another database: by its name, else as the only one it can be."""
    if (named := await hosts.find_by_name(database, name)) is not None:
        return named
    possible = [row for row in await hosts.of_uri(database, libvirt_uri) if alone or row.bootId == boot_id()]
    return possible[0] if len(possible) == 1 else None


async def _renamed(database: Database, host: rows.Host, name: str) -> rows.Host:
    try:
        renamed = await hosts.rename(database, host.id, name)
    except UniqueViolation:
        # The name is for people only, so this is no reason not to start.
        log.warning("host.name_taken", host_id=host.id, name=name, kept=host.name)
        return host
    log.info("host.renamed", host_id=host.id, before=host.name, name=name)
    return renamed or host

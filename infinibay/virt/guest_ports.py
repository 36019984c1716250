"""A guest's virtio-serial ports, read through libvirt, in pieces and at the reader's pace."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import libvirt

from infinibay.errors import HypervisorError
from infinibay.log import get_logger
from infinibay.virt.connection import Connection, Kind

log = get_logger(__name__)

_PIECE: Final = 16 * 1024
_WATCHED = libvirt.VIR_STREAM_EVENT_READABLE | libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
_NOTHING_YET = -2


class _Port:
    """One open port. A guest that writes without end is held up, since a piece is fetched only when one is wanted."""

    def __init__(self, stream: libvirt.virStream, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    def watch(self) -> None:
        self._stream.eventAddCallback(_WATCHED, self._on_event, None)

    def watch_on(self) -> None:
        self._stream.eventUpdateCallback(_WATCHED)

    async def piece(self) -> bytes | None:
        """What the guest wrote; None when the port is closed."""
        return await self._pieces.get()

    def close(self) -> None:
        # On a stream or connection that is gone already all of this fails.
        for end in (self._stream.eventRemoveCallback, self._stream.abort):
            with contextlib.suppress(libvirt.libvirtError):
                end()

    def _on_event(self, stream: libvirt.virStream, happened: int, _opaque: object) -> None:
        """Runs in the native event thread."""
        try:
            stream.eventUpdateCallback(libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP)
            read = stream.recv(_PIECE) if happened & libvirt.VIR_STREAM_EVENT_READABLE else b""
            if read == _NOTHING_YET:
                stream.eventUpdateCallback(_WATCHED)
                return
        except libvirt.libvirtError as error:
            log.info("virt.guest_port_lost", reason=str(error))
            read = b""
        if not read:
            with contextlib.suppress(libvirt.libvirtError):
                stream.eventRemoveCallback()
        # A RuntimeError says that the asyncio loop is closed: the process is ending.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, read or None)


@asynccontextmanager
async def opened(connection: Connection, uuid: str, port: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """See `infinibay.virt.api.Guests.listen`."""
    loop = asyncio.get_running_loop()

    def begin(libvirt_connection: libvirt.virConnect) -> _Port:
        domain = libvirt_connection.lookupByUUIDString(uuid)
        stream = libvirt_connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        # By force, since whoever listened before may have died without its end being noticed.
        domain.openChannel(port, stream, libvirt.VIR_DOMAIN_CHANNEL_FORCE)
        opened_port = _Port(stream, loop)
        opened_port.watch()
        return opened_port

    found = await connection.call(Kind.CHANGE, begin)
    try:
        yield _pieces(connection, found)
    finally:
        with contextlib.suppress(HypervisorError):  # Without the connection there is no stream any more.
            await connection.call(Kind.CHANGE, lambda _: found.close(), counted_as=found.close)


async def _pieces(connection: Connection, port: _Port) -> AsyncIterator[bytes]:
    while (piece := await port.piece()) is not None:
        yield piece
        try:
            await connection.call(Kind.QUERY, lambda _: port.watch_on(), counted_as=port.watch_on)
        except HypervisorError as error:
            log.info("virt.guest_port_lost", reason=error.message)
            return

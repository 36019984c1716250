"""Guests through libvirt: their agent, their ports and their screens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import libvirt
import libvirt_qemu

from infinibay.errors import AgentUnresponsive, Unsupported
from infinibay.virt import guest_ports, screenshots
from infinibay.virt.connection import Connection, Kind

_AGENT_MARGIN_SECONDS = 5


class LibvirtGuests:
    """See `infinibay.virt.api.Guests`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def agent_command(self, uuid: str, command: str, seconds: int = 5) -> str:
        def ask(domain: libvirt.virDomain) -> str:
            answer: str = libvirt_qemu.qemuAgentCommand(domain, command, seconds, 0)
            return answer

        try:
            return await self._connection.call(
                Kind.CHANGE,
                lambda connection: ask(connection.lookupByUUIDString(uuid)),
                seconds=seconds + _AGENT_MARGIN_SECONDS,
                counted_as=ask,
            )
        except Unsupported as error:
            if error.libvirt_code != libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED:
                raise
            # libvirt's word for a domain without an agent channel.
            raise AgentUnresponsive(error.message, libvirt_code=error.libvirt_code) from error

    def listen(self, uuid: str, port: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return guest_ports.opened(self._connection, uuid, port)

    async def screenshot(self, uuid: str) -> bytes:
        def take(connection: libvirt.virConnect) -> bytes:
            return screenshots.take(connection, connection.lookupByUUIDString(uuid))

        return await self._connection.call(Kind.CHANGE, take)

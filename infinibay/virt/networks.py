"""Virtual networks through libvirt, by name."""

from __future__ import annotations

import libvirt

from infinibay.errors import ObjectMissing
from infinibay.virt.connection import Connection, Kind


class LibvirtNetworks:
    """See `infinibay.virt.api.Networks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def is_active(self, name: str) -> bool | None:
        try:
            return await self._connection.call(
                Kind.QUERY, lambda connection: bool(connection.networkLookupByName(name).isActive())
            )
        except ObjectMissing:
            return None

    async def start(self, name: str) -> None:
        """Does nothing for a network that is active."""
        await self._connection.call(Kind.CHANGE, lambda connection: _start(connection.networkLookupByName(name)))


def _start(network: libvirt.virNetwork) -> None:
    if network.isActive():
        return
    try:
        network.create()
    except libvirt.libvirtError:
        # Another process may have been faster.
        if not network.isActive():
            raise

"""Pictures of a domain's screen, through a stream of libvirt's."""

from __future__ import annotations

import libvirt

from infinibay.errors import Unsupported

_PNG = "image/png"
_MOST_BYTES = 32 * 1024**2


def take(connection: libvirt.virConnect, domain: libvirt.virDomain) -> bytes:
    """The first screen as PNG. Raises Unsupported where QEMU offers another format only (before 7.1)."""
    stream = connection.newStream(0)
    kind = domain.screenshot(stream, 0, 0)
    picture = bytearray()

    def keep(_stream: libvirt.virStream, data: bytes, _opaque: object) -> int:
        picture.extend(data)
        # A negative number ends the transfer.
        return len(data) if len(picture) <= _MOST_BYTES else -1

    stream.recvAll(keep, None)
    stream.finish()
    if kind != _PNG:
        raise Unsupported(f"The hypervisor gives pictures of the screen as {kind} only")
    return bytes(picture)

"""Starting a domain so that it runs afterwards, whatever was begun before."""

from __future__ import annotations

from infinibay.errors import WrongState
from infinibay.virt.api import Domains, DomainState

_UP = (DomainState.RUNNING, DomainState.PAUSED)


async def bring_up(domains: Domains, machine_id: str) -> None:
    """Starts the domain; one that is up already stays as it is.

    libvirt is asked to start it instead of how it is: after its own restart it first gives up the guests whose start it
    had not ended, and a start waits for that, while a look may still see a guest that is about to go.
    """
    try:
        await domains.start(machine_id)
    except WrongState:
        domain = await domains.find(machine_id)
        if domain is None or domain.state not in _UP:
            raise

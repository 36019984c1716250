"""The daemon is killed, frozen and started again; a private one, since the system's belongs to everybody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import libvirt
import pytest

from infinibay.errors import HypervisorUnavailable
from infinibay.virt.api import ConnectionChanged, DomainChanged, DomainState, HypervisorEvent
from infinibay.virt.connection import Kind
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.domain_xml import diskless_domain, new_uuid
from tests.support.private_libvirtd import PrivateLibvirtd
from tests.support.wait import until


@pytest.fixture
async def private(daemon: PrivateLibvirtd, tmp_path: Path) -> AsyncIterator[LibvirtHypervisor]:
    opened = LibvirtHypervisor(daemon.uri, tmp_path, log_dir=daemon.log_dir)
    await opened.open()
    assert opened.connected
    yield opened
    await opened.close()


async def next_event(events: AsyncIterator[HypervisorEvent], seconds: float = 30) -> HypervisorEvent:
    async with asyncio.timeout(seconds):
        return await anext(events)


async def test_after_a_kill_everything_works_again(daemon: PrivateLibvirtd, private: LibvirtHypervisor) -> None:
    identity = new_uuid()
    async with private.events() as events:
        assert await next_event(events) == ConnectionChanged(connected=True)
        await private.domains.define(diskless_domain("v-priv-kill", identity))
        await private.domains.start(identity)
        while await next_event(events) != DomainChanged(identity, "started"):
            pass
        in_flight, begun = _call_in_flight(private)
        await until(begun.is_set)
        daemon.freeze()
        daemon.kill()
        with pytest.raises(HypervisorUnavailable):
            await in_flight
        assert await next_event(events) == ConnectionChanged(connected=False)
        assert not private.connected
        with pytest.raises(HypervisorUnavailable):
            await private.domains.find(identity)

        await daemon.start()
        assert await next_event(events) == ConnectionChanged(connected=True)
        found = await private.domains.find(identity)
        assert found is not None
        assert found.state is DomainState.RUNNING
        await private.domains.suspend(identity)
        assert await next_event(events) == DomainChanged(identity, "suspended")
        await private.domains.resume(identity)
        assert await next_event(events) == DomainChanged(identity, "resumed")
    await private.domains.destroy(identity)
    await private.domains.undefine(identity)


async def test_a_daemon_that_comes_later(daemon: PrivateLibvirtd, tmp_path: Path) -> None:
    daemon.kill()
    late = LibvirtHypervisor(daemon.uri, tmp_path)
    await late.open()
    async with late.events() as events:
        assert await next_event(events) == ConnectionChanged(connected=False)
        await daemon.start()
        assert await next_event(events) == ConnectionChanged(connected=True)
        await late.ping()
    await late.close()


@pytest.mark.soak
async def test_a_daemon_that_hangs_is_given_up(daemon: PrivateLibvirtd, private: LibvirtHypervisor) -> None:
    async with private.events() as events:
        assert await next_event(events) == ConnectionChanged(connected=True)
        daemon.freeze()
        try:
            with pytest.raises(HypervisorUnavailable):
                await private.ping()
            assert await next_event(events) == ConnectionChanged(connected=False)
        finally:
            daemon.thaw()
        assert await next_event(events) == ConnectionChanged(connected=True)
        await private.ping()


async def test_capabilities_are_asked_anew_after_a_reconnect(
    daemon: PrivateLibvirtd, private: LibvirtHypervisor
) -> None:
    before = await private.capabilities()
    assert await private.capabilities() is before
    async with private.events() as events:
        await next_event(events)
        daemon.kill()
        assert await next_event(events) == ConnectionChanged(connected=False)
        await daemon.start()
        assert await next_event(events) == ConnectionChanged(connected=True)
    after = await private.capabilities()
    assert after is not before
    assert after == before


def _call_in_flight(private: LibvirtHypervisor) -> tuple[asyncio.Task[None], threading.Event]:
    """A call that asks the daemon again and again, so that it is under way whenever the daemon dies."""
    begun = threading.Event()

    def ask(connection: libvirt.virConnect) -> None:
        while True:
            connection.getHostname()
            begun.set()

    return asyncio.create_task(private._connection.call(Kind.CHANGE, ask)), begun

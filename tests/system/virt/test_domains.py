"""Real QEMUs under TCG without a guest system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infinibay.errors import (
    AgentUnresponsive,
    HostFailure,
    HypervisorRefused,
    ObjectExists,
    ObjectMissing,
    WrongState,
)
from infinibay.virt.api import ConnectionChanged, DomainChanged, DomainState
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.domain_xml import diskless_domain, new_uuid

AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


@pytest.fixture
async def identity(hypervisor: LibvirtHypervisor) -> AsyncIterator[str]:
    """A UUID whose domain is removed afterwards."""
    made = new_uuid()
    yield made
    found = await hypervisor.domains.find(made)
    if found is not None:
        if found.state is not DomainState.SHUTOFF:
            await hypervisor.domains.destroy(made)
        await hypervisor.domains.undefine(made)


async def test_the_life_of_a_real_domain_with_its_events(hypervisor: LibvirtHypervisor, identity: str) -> None:
    domains = hypervisor.domains
    words: list[str] = []

    async def state() -> tuple[DomainState, str | None]:
        found = await domains.find(identity)
        assert found is not None
        return found.state, found.reason

    async def hear(last: str) -> None:
        async with asyncio.timeout(30):
            while not words or words[-1] != last:
                event = await anext(events)
                if isinstance(event, DomainChanged) and event.uuid == identity:
                    words.append(event.detail)

    async with hypervisor.events() as events:
        assert await anext(events) == ConnectionChanged(connected=True)
        defined = await domains.define(diskless_domain("v-sys-life", identity))
        assert (defined.uuid, defined.name, defined.state) == (identity, "v-sys-life", DomainState.SHUTOFF)
        await domains.start(identity)
        assert await state() == (DomainState.RUNNING, None)
        with pytest.raises(WrongState):
            await domains.start(identity)
        await domains.suspend(identity)
        assert await state() == (DomainState.PAUSED, "paused on request")
        await domains.suspend(identity)
        await domains.resume(identity)
        assert await state() == (DomainState.RUNNING, None)
        with pytest.raises(WrongState):
            await domains.resume(identity)
        await domains.reset(identity)
        await hear("rebooted")
        await domains.reboot(identity)
        await domains.shutdown(identity)
        assert identity in {info.uuid for info in await domains.list_all() if info.state is DomainState.RUNNING}
        assert any("starting up libvirt" in line for line in await domains.log_tail(identity, 200))
        assert len(await domains.log_tail(identity, 1)) == 1
        await domains.destroy(identity)
        assert await state() == (DomainState.SHUTOFF, "powered off by force")
        with pytest.raises(WrongState):
            await domains.destroy(identity)
        await domains.undefine(identity)
        assert await domains.find(identity) is None
        await hear("undefined")
    # A start is two events, as its guest is let go first. Pulling the plug makes QEMU itself say that it shuts down.
    # The firmware may reset the guest again at any time.
    started = ["defined", "resumed", "started"]
    others = [word for word in words if word != "rebooted"]
    assert others == [*started, "suspended", "resumed", "shutdown", "stopped", "undefined"]


async def test_a_name_of_another_domain_is_taken(hypervisor: LibvirtHypervisor, identity: str) -> None:
    await hypervisor.domains.define(diskless_domain("v-sys-taken", identity))
    other = new_uuid()
    with pytest.raises(ObjectExists):
        await hypervisor.domains.define(diskless_domain("v-sys-taken", other))
    assert await hypervisor.domains.find(other) is None


async def test_an_invented_element_is_refused(hypervisor: LibvirtHypervisor, identity: str) -> None:
    with pytest.raises(HypervisorRefused):
        await hypervisor.domains.define(diskless_domain("v-sys-bad", identity, devices="<invented/>"))
    assert await hypervisor.domains.find(identity) is None


async def test_a_failed_start_says_what_to_look_at(hypervisor: LibvirtHypervisor, identity: str) -> None:
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/v-sys-none.img'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    await hypervisor.domains.define(diskless_domain("v-sys-fails", identity, devices=disk))
    with pytest.raises(HostFailure) as raised:
        await hypervisor.domains.start(identity)
    assert "v-sys-none.img" in raised.value.message
    assert raised.value.libvirt_code == 38
    assert raised.value.remedy is not None
    assert raised.value.remedy.startswith("Look at the host's resources (free memory, CPUs), at the storage")
    found = await hypervisor.domains.find(identity)
    assert found is not None
    assert (found.state, found.reason) == (DomainState.SHUTOFF, "it failed to start")


async def test_what_qemu_said_about_a_failed_start_is_told(
    hypervisor: LibvirtHypervisor, identity: str, reachable_dir: Path
) -> None:
    firmware = reachable_dir / "bad.rom"
    firmware.write_bytes(b"x" * 1000)
    loader = f"<loader readonly='yes' type='rom'>{firmware}</loader>"
    await hypervisor.domains.define(diskless_domain("v-sys-says", identity, os=loader))
    with pytest.raises(HostFailure) as raised:
        await hypervisor.domains.start(identity)
    assert "could not load PC BIOS" in (raised.value.remedy or "")


async def test_undefine_takes_the_variables_and_the_tpm_along(
    hypervisor: LibvirtHypervisor, identity: str, reachable_dir: Path
) -> None:
    known = await hypervisor.capabilities()
    variables = reachable_dir / "vars.fd"
    firmware = (
        f"<loader readonly='yes' type='pflash'>{known.efi_code}</loader>"
        f"<nvram template='{known.efi_vars}'>{variables}</nvram>"
    )
    tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
    await hypervisor.domains.define(diskless_domain("v-sys-uefi", identity, os=firmware, devices=tpm))
    await hypervisor.domains.start(identity)
    tpm_state = Path("/var/lib/libvirt/swtpm") / identity
    assert variables.exists()
    assert tpm_state.exists()
    await hypervisor.domains.destroy(identity)
    await hypervisor.domains.undefine(identity)
    assert not variables.exists()
    assert not tpm_state.exists()


async def test_an_agent_that_does_not_answer(hypervisor: LibvirtHypervisor, identity: str) -> None:
    ping = '{"execute": "guest-ping"}'
    with pytest.raises(ObjectMissing):
        await hypervisor.guests.agent_command(identity, ping)
    await hypervisor.domains.define(diskless_domain("v-sys-agent", identity, devices=AGENT))
    with pytest.raises(WrongState):
        await hypervisor.guests.agent_command(identity, ping)
    await hypervisor.domains.start(identity)
    with pytest.raises(AgentUnresponsive):
        await hypervisor.guests.agent_command(identity, ping, seconds=1)


async def test_a_domain_without_an_agent_channel(hypervisor: LibvirtHypervisor, identity: str) -> None:
    await hypervisor.domains.define(diskless_domain("v-sys-mute", identity))
    await hypervisor.domains.start(identity)
    with pytest.raises(AgentUnresponsive):
        await hypervisor.guests.agent_command(identity, '{"execute": "guest-ping"}')

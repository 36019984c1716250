from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from infinibay.errors import HypervisorRefused, ObjectExists, ObjectMissing, Unsupported, WrongState
from infinibay.virt.api import ConnectionChanged, DomainChanged, DomainInfo, DomainState, HypervisorEvent
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.domain_xml import new_uuid, twin_domain


async def take_until(events: AsyncIterator[HypervisorEvent], last: HypervisorEvent) -> list[HypervisorEvent]:
    taken: list[HypervisorEvent] = []
    async for event in events:
        taken.append(event)
        if event == last:
            break
    return taken


async def test_the_life_of_a_domain_with_its_events(twin: LibvirtHypervisor) -> None:
    identity = new_uuid()
    domains = twin.domains

    async def state() -> tuple[DomainState, str | None]:
        found = await domains.find(identity)
        assert found is not None
        return found.state, found.reason

    async with twin.events() as events:
        defined = await domains.define(twin_domain("v-life", identity))
        assert defined == DomainInfo(identity, "v-life", DomainState.SHUTOFF)
        await domains.start(identity)
        assert await state() == (DomainState.RUNNING, None)
        await domains.suspend(identity)
        assert await state() == (DomainState.PAUSED, "paused on request")
        await domains.resume(identity)
        await domains.reset(identity)
        await domains.reboot(identity)
        await domains.shutdown(identity)
        assert await state() == (DomainState.SHUTOFF, "the guest shut down")
        await domains.start(identity)
        await domains.destroy(identity)
        assert await state() == (DomainState.SHUTOFF, "powered off by force")
        await domains.undefine(identity)
        assert await domains.find(identity) is None
        taken = await take_until(events, DomainChanged(identity, "undefined"))
    words = [event.detail for event in taken[1:] if isinstance(event, DomainChanged)]
    assert taken[0] == ConnectionChanged(connected=True)
    assert words == [
        "defined",
        "started",
        "suspended",
        "resumed",
        "stopped",
        "started",
        "stopped",
        "undefined",
    ]


async def test_all_domains_in_one_look(twin: LibvirtHypervisor) -> None:
    identity = new_uuid()
    await twin.domains.define(twin_domain("v-listed", identity))
    found = {info.name: info for info in await twin.domains.list_all()}
    assert set(found) == {"test", "v-listed"}
    assert found["test"].state is DomainState.RUNNING
    assert found["v-listed"] == DomainInfo(identity, "v-listed", DomainState.SHUTOFF)


async def test_xml(twin: LibvirtHypervisor) -> None:
    identity = new_uuid()
    graphics = "<graphics type='vnc' autoport='yes' passwd='hidden42'/>"
    await twin.domains.define(twin_domain("v-xml", identity, graphics))
    assert f"<uuid>{identity}</uuid>" in await twin.domains.xml(identity)
    assert "hidden42" not in await twin.domains.xml(identity, inactive=True)
    assert "hidden42" in await twin.domains.xml(identity, inactive=True, secure=True)


async def test_wrong_states(twin: LibvirtHypervisor) -> None:
    identity = new_uuid()
    await twin.domains.define(twin_domain("v-states", identity))
    with pytest.raises(WrongState):
        await twin.domains.destroy(identity)
    with pytest.raises(WrongState):
        await twin.domains.suspend(identity)
    await twin.domains.start(identity)
    with pytest.raises(WrongState):
        await twin.domains.start(identity)


@pytest.mark.parametrize(
    "verb", ["start", "shutdown", "reboot", "reset", "suspend", "resume", "destroy", "undefine", "xml"]
)
async def test_an_unknown_domain_is_missing(twin: LibvirtHypervisor, verb: str) -> None:
    with pytest.raises(ObjectMissing):
        await getattr(twin.domains, verb)(new_uuid())


async def test_an_unknown_domain_has_no_log(twin: LibvirtHypervisor) -> None:
    assert await twin.domains.log_tail(new_uuid()) == []


async def test_a_name_of_another_domain_is_taken(twin: LibvirtHypervisor) -> None:
    await twin.domains.define(twin_domain("v-taken", new_uuid()))
    with pytest.raises(ObjectExists):
        await twin.domains.define(twin_domain("v-taken", new_uuid()))


@pytest.mark.parametrize(
    "xml",
    [
        "<domain",
        "<domain type='test'><name>v-bad</name></domain>",
        twin_domain("v-bad", "not a uuid"),
        twin_domain("v-bad", new_uuid(), "<invented/>"),
    ],
)
async def test_a_refused_definition_leaves_nothing(twin: LibvirtHypervisor, xml: str) -> None:
    with pytest.raises(HypervisorRefused):
        await twin.domains.define(xml)
    assert [info.name for info in await twin.domains.list_all()] == ["test"]


async def test_what_the_driver_lacks_is_unsupported(twin: LibvirtHypervisor) -> None:
    identity = new_uuid()
    await twin.domains.define(twin_domain("v-lacks", identity))
    with pytest.raises(Unsupported):
        await twin.guests.agent_command(identity, '{"execute": "guest-ping"}')
    with pytest.raises(Unsupported):
        await twin.nwfilters.list_names()
    with pytest.raises(Unsupported):
        await twin.nwfilters.find_xml("v-none")


async def test_networks(twin: LibvirtHypervisor) -> None:
    assert await twin.networks.is_active("default") is True
    assert await twin.networks.is_active("v-none") is None
    await twin.networks.start("default")
    assert await twin.networks.is_active("default") is True
    with pytest.raises(ObjectMissing):
        await twin.networks.start("v-none")


async def test_capabilities_and_domain_type(twin: LibvirtHypervisor) -> None:
    found = await twin.capabilities()
    assert (found.domain_types, found.efi, found.tpm, found.nwfilter) == (("test",), False, False, False)
    assert (found.max_vcpus, found.host_cpus, found.host_memory_kib) == (32, 16, 3072 * 1024)
    assert await twin.capabilities() is found
    assert [await twin.domain_type(wanted) for wanted in ("auto", "kvm", "qemu")] == ["test", "test", "test"]
    assert not (await twin.kvm_verdict()).works

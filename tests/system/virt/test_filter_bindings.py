"""What a daemon that died in the middle of a start leaves between interfaces and filters stops no later start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import libvirt
import pytest

from infinibay.errors import HostFailure, WrongState
from infinibay.virt import filter_bindings
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.domain_xml import diskless_domain, new_uuid
from tests.support.private_libvirtd import PrivateLibvirtd

FILTER = "v-sys-bound"
INTERFACE = f"<interface type='ethernet'><model type='virtio'/><filterref filter='{FILTER}'/></interface>"
# More than the number of times that a start is asked for again; the daemon counts its interfaces from 0.
ABANDONED = [f"vnet{number}" for number in range(5)]


def binding_status(interface: str, owner: str) -> str:
    """How libvirtd keeps a binding over its own restart."""
    return (
        f"<filterbindingstatus><filterbinding><owner><name>gone</name><uuid>{owner}</uuid></owner>"
        f"<portdev name='{interface}'/><mac address='52:54:00:40:74:50'/><filterref filter='{FILTER}'/>"
        "</filterbinding></filterbindingstatus>"
    )


@pytest.fixture
async def private(daemon: PrivateLibvirtd, tmp_path: Path) -> AsyncIterator[LibvirtHypervisor]:
    """A hypervisor with a filter and abandoned bindings to it."""
    opened = LibvirtHypervisor(daemon.uri, tmp_path, log_dir=daemon.log_dir)
    await opened.open()
    await opened.nwfilters.define(f"<filter name='{FILTER}' chain='root'/>")
    await opened.close()
    daemon.kill()
    kept = daemon.folder / "run" / "nwfilter-binding"
    for interface in ABANDONED:
        (kept / f"{interface}.xml").write_text(binding_status(interface, new_uuid()))
    await daemon.start()
    opened = LibvirtHypervisor(daemon.uri, tmp_path, log_dir=daemon.log_dir)
    await opened.open()
    yield opened
    await opened.close()


def bindings(daemon: PrivateLibvirtd) -> dict[str, str]:
    """The domain's UUID by interface."""
    connection = libvirt.open(daemon.uri)
    try:
        found = {one.portDev(): one.XMLDesc() for one in connection.listAllNWFilterBindings()}
    finally:
        connection.close()
    return {interface: xml.partition("<uuid>")[2].partition("</uuid>")[0] for interface, xml in found.items()}


async def test_a_start_takes_the_interface_of_an_abandoned_binding(
    daemon: PrivateLibvirtd, private: LibvirtHypervisor
) -> None:
    assert sorted(bindings(daemon)) == ABANDONED
    identity = new_uuid()
    await private.domains.define(diskless_domain("v-priv-bound", identity, devices=INTERFACE))
    await private.domains.start(identity)
    owned = [interface for interface, owner in bindings(daemon).items() if owner == identity]
    assert len(owned) == 1

    # The filter of a domain that runs stays, and so does its binding.
    with pytest.raises(WrongState):
        await private.nwfilters.undefine(FILTER)
    assert bindings(daemon) == {owned[0]: identity}

    await private.domains.destroy(identity)
    await private.domains.undefine(identity)
    assert bindings(daemon) == {}


async def test_a_filter_goes_with_its_abandoned_bindings(daemon: PrivateLibvirtd, private: LibvirtHypervisor) -> None:
    await private.nwfilters.undefine(FILTER)
    assert bindings(daemon) == {}
    assert await private.nwfilters.find_xml(FILTER) is None


async def test_a_failure_to_look_for_bindings_leaves_the_starts_own_reason(
    private: LibvirtHypervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_in_vain(connection: libvirt.virConnect, _complaint: str) -> bool:
        connection.lookupByName("v-priv-absent")
        raise AssertionError

    monkeypatch.setattr(filter_bindings, "remove_named", look_in_vain)
    identity = new_uuid()
    await private.domains.define(diskless_domain("v-priv-bound", identity, devices=INTERFACE))
    with pytest.raises(HostFailure, match=r"binding 'vnet\d' already exists"):
        await private.domains.start(identity)
    await private.domains.undefine(identity)

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from infinibay.errors import HypervisorRefused, ObjectExists, ObjectMissing
from infinibay.libvirtxml import reader
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.domain_xml import new_uuid

NAME = "v-sys-filter"


def filter_xml(identity: str, rules: str = "", name: str = NAME) -> str:
    return f"<filter name='{name}' chain='root'><uuid>{identity}</uuid>{rules}</filter>"


@pytest.fixture(autouse=True)
async def _no_filter_left(hypervisor: LibvirtHypervisor) -> AsyncIterator[None]:
    yield
    if await hypervisor.nwfilters.find_xml(NAME) is not None:
        await hypervisor.nwfilters.undefine(NAME)


async def test_a_filter_is_defined_replaced_and_undefined(hypervisor: LibvirtHypervisor) -> None:
    filters = hypervisor.nwfilters
    identity = new_uuid()
    assert await filters.find_xml(NAME) is None
    await filters.define(filter_xml(identity))
    assert NAME in await filters.list_names()
    await filters.define(
        filter_xml(identity, "<rule action='accept' direction='in' priority='400'><tcp dstportstart='80'/></rule>")
    )
    present = await filters.find_xml(NAME)
    assert present is not None
    assert reader.uuid(present) == identity
    assert "dstportstart='80'" in present
    await filters.undefine(NAME)
    assert await filters.find_xml(NAME) is None
    with pytest.raises(ObjectMissing):
        await filters.undefine(NAME)


async def test_a_name_with_another_uuid_is_taken(hypervisor: LibvirtHypervisor) -> None:
    identity = new_uuid()
    await hypervisor.nwfilters.define(filter_xml(identity))
    with pytest.raises(ObjectExists):
        await hypervisor.nwfilters.define(filter_xml(new_uuid()))
    with pytest.raises(ObjectExists):
        await hypervisor.nwfilters.define(filter_xml(identity, name="v-sys-other"))
    assert "v-sys-other" not in await hypervisor.nwfilters.list_names()


@pytest.mark.parametrize("rules", ["<invented/>", "<rule action='maybe' direction='in'/>"])
async def test_a_bad_filter_is_refused(hypervisor: LibvirtHypervisor, rules: str) -> None:
    with pytest.raises(HypervisorRefused):
        await hypervisor.nwfilters.define(filter_xml(new_uuid(), rules))
    assert await hypervisor.nwfilters.find_xml(NAME) is None

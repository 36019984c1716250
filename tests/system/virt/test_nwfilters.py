from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from infinibay.core import naming
from infinibay.errors import HypervisorRefused, ObjectExists, ObjectMissing, WrongState
from infinibay.libvirtxml import reader
from infinibay.services.machines.firewall import MachineFilters
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.domain_xml import diskless_domain, new_uuid

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


async def test_a_department_s_filter_stays_while_a_running_machine_s_names_it(hypervisor: LibvirtHypervisor) -> None:
    filters, machine_id = MachineFilters(hypervisor), new_uuid()
    department_id, other_id = new_uuid(), new_uuid()
    named = f"<interface type='ethernet'><filterref filter='{naming.machine_filter(machine_id)}'/></interface>"
    try:
        await filters.ensure(machine_id, department_id)
        await hypervisor.domains.define(diskless_domain("v-sys-filtered", machine_id, devices=named))
        await hypervisor.domains.start(machine_id)
        with pytest.raises(WrongState):
            await filters.remove_department(department_id)
        assert naming.department_filter(department_id) in await hypervisor.nwfilters.list_names()
        await filters.ensure(machine_id, other_id)
        await filters.remove_department(department_id)
        assert naming.department_filter(department_id) not in await hypervisor.nwfilters.list_names()
    finally:
        with suppress(WrongState):
            await hypervisor.domains.destroy(machine_id)
        await hypervisor.domains.undefine(machine_id)
        await filters.remove_machine(machine_id)
        await filters.remove_department(department_id)
        await filters.remove_department(other_id)

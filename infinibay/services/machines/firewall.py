"""The machine's nwfilters: made and verified before every start (`ensureFirewallForVM`)."""

from __future__ import annotations

from infinibay.core import naming
from infinibay.errors import ObjectMissing
from infinibay.libvirtxml.nwfilter import NwFilterSpec, nwfilter_xml
from infinibay.virt.api import Hypervisor


class MachineFilters:
    """The one place that defines and removes filters. A machine's filter names its department's, so that a change
    of the department's reaches all its machines; an interface can name only one filter."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor

    async def ensure(self, machine_id: str, department_id: str) -> None:
        """Defines both filters; libvirt does nothing where they are as they should be."""
        if not (await self._hypervisor.capabilities()).nwfilter:
            return
        await self.ensure_department(department_id)
        await self._define(naming.machine_filter(machine_id), parent=naming.department_filter(department_id))

    async def ensure_department(self, department_id: str) -> None:
        """The department's alone."""
        if (await self._hypervisor.capabilities()).nwfilter:
            await self._define(naming.department_filter(department_id), parent=None)

    async def remove_machine(self, machine_id: str) -> None:
        await self._remove(naming.machine_filter(machine_id))

    async def remove_department(self, department_id: str) -> None:
        await self._remove(naming.department_filter(department_id))

    async def _define(self, name: str, *, parent: str | None) -> None:
        spec = NwFilterSpec(name=name, uuid=naming.filter_uuid(name), parent=parent)
        await self._hypervisor.nwfilters.define(nwfilter_xml(spec))

    async def _remove(self, name: str) -> None:
        if not (await self._hypervisor.capabilities()).nwfilter:
            return
        try:
            await self._hypervisor.nwfilters.undefine(name)
        except ObjectMissing:
            return

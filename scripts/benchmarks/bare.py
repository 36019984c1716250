"""The same machine made by libvirt's calls alone: volume, filters, define, start."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import libvirt

from infinibay.core import naming
from infinibay.libvirtxml.nwfilter import NwFilterSpec, nwfilter_xml
from infinibay.libvirtxml.storage import VolumeSpec, volume_xml


class BareLibvirt:
    """One open connection; `domain_xml` is the definition that the product made for `machine_id`."""

    def __init__(self, uri: str, pool: str) -> None:
        self._connection = libvirt.open(uri)
        self._pool_name = pool

    def close(self) -> None:
        self._connection.close()

    def definition(self, machine_id: str) -> str:
        """The XML of a domain, with its password, as it was defined."""
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        text: str = self._connection.lookupByUUIDString(machine_id).XMLDesc(flags)
        return text

    def filters_of(self, department_id: str, machine_id: str) -> tuple[str, str]:
        """The XML of the two filters, as the product defines them."""
        department, machine = naming.department_filter(department_id), naming.machine_filter(machine_id)
        return (
            nwfilter_xml(NwFilterSpec(department, naming.filter_uuid(department))),
            nwfilter_xml(NwFilterSpec(machine, naming.filter_uuid(machine), department)),
        )

    def create(
        self, definition: str, like: str, department_id: str, disk_gb: int, directory: Path
    ) -> tuple[str, float]:
        """Makes a machine with the definition of the machine `like`; its id, and the milliseconds that libvirt took.

        `directory` is the parent of the machines' directories, which libvirt does not make.
        """
        identity = str(uuid4())
        xml = _renamed(definition, like, identity)
        filters = self.filters_of(department_id, identity)
        volume = volume_xml(VolumeSpec(naming.main_volume(naming.domain_name(identity)), disk_gb))
        own = directory / identity
        own.mkdir(mode=0o711)
        own.chmod(0o711)
        # The product makes the pool with its first machine.
        pool = self._connection.storagePoolLookupByName(self._pool_name)
        began = time.perf_counter()
        pool.createXML(volume, libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA)
        for filter_xml in filters:
            self._connection.nwfilterDefineXML(filter_xml)
        domain = self._connection.defineXML(xml)
        domain.create()
        return identity, (time.perf_counter() - began) * 1000

    def overlay_and_start(self, definition: str, like: str, disk_gb: int, backing: str, directory: Path) -> float:
        """Makes a disk that stands on the file `backing`, and starts the defined machine from it: the milliseconds of
        these two calls. It is removed again."""
        identity = str(uuid4())
        volume = volume_xml(VolumeSpec(naming.main_volume(naming.domain_name(identity)), disk_gb, backing))
        own = directory / identity
        own.mkdir(mode=0o711)
        own.chmod(0o711)
        pool = self._connection.storagePoolLookupByName(self._pool_name)
        filter_name = naming.machine_filter(identity)
        self._connection.nwfilterDefineXML(nwfilter_xml(NwFilterSpec(filter_name, naming.filter_uuid(filter_name))))
        domain = self._connection.defineXML(_renamed(definition, like, identity))
        began = time.perf_counter()
        pool.createXML(volume, 0)
        domain.create()
        took = (time.perf_counter() - began) * 1000
        self.remove(identity, directory)
        return took

    def pause_guests(self, directory: Path) -> None:
        """Pauses the running guests whose machines have their directory in `directory`."""
        for domain in self._connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING):
            if (directory / domain.name()).is_dir():
                # It may have been removed since the list was made.
                with suppress(libvirt.libvirtError):
                    domain.suspend()

    def remove(self, identity: str, directory: Path) -> None:
        """Leaves nothing of it."""
        domain = self._connection.lookupByUUIDString(identity)
        domain.destroy()
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
        self._connection.nwfilterLookupByName(naming.machine_filter(identity)).undefine()
        pool = self._connection.storagePoolLookupByName(self._pool_name)
        pool.refresh(0)
        pool.storageVolLookupByName(naming.main_volume(naming.domain_name(identity))).delete(0)
        shutil.rmtree(directory / identity)


def _renamed(definition: str, old: str, new: str) -> str:
    """The same definition for another machine: every name in it derives from the id, and the address must differ."""
    for name in (naming.domain_name, naming.machine_filter, naming.mac_address, str):
        definition = definition.replace(name(old), name(new))
    return definition

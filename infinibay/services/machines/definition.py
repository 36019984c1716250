"""A machine's rows made into what the hypervisor holds: directory, filters, network, domain. All of it can be made
again at any time, from the rows alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from infinibay.core import naming
from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.db import installations, machines, rows
from infinibay.db.client import Database
from infinibay.errors import HostFailure, NotFound, WrongState
from infinibay.libvirtxml.domain import domain_xml
from infinibay.libvirtxml.reader import without_secrets
from infinibay.services.machines.design import (
    Choice,
    Firmware,
    InstallerMedia,
    MachineDesign,
    Protocol,
    choose,
    design,
    machine_directory,
    uses_bridge,
)
from infinibay.services.machines.firewall import MachineFilters
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.services.machines.media import InstallationMedia
from infinibay.services.machines.validation import Checked
from infinibay.virt.api import Hypervisor


@dataclass(frozen=True)
class Place:
    """Where machines live on this host. An existing pool is used as it is, unless `pool_path` was given."""

    pool_name: str
    pool_path: Path | None
    new_pool_path: Path
    network: str
    graphic_protocol: Protocol
    machines_dir: Path


@dataclass(frozen=True)
class Preview:
    """What a plan shows of a definition; `xml` without its secrets, empty while the sizes are not known."""

    disk_path: str
    firmware: str
    network: str
    filters: tuple[str, ...]
    xml: str


class Definition:
    """Makes and verifies what a machine's domain needs."""

    def __init__(
        self,
        database: Database,
        hypervisor: Hypervisor,
        filters: MachineFilters,
        secrets: MachineSecrets,
        media: InstallationMedia,
        place: Place,
    ) -> None:
        self._database = database
        self._hypervisor = hypervisor
        self._filters = filters
        self._secrets = secrets
        self._media = media
        self.place = place

    def configuration(self, machine: machines.NewMachine, checked: Checked) -> machines.NewConfiguration:
        """What is decided once for a new machine."""
        choice = self._choice(machine.id, checked)
        return machines.NewConfiguration(
            firmware=choice.firmware,
            tpm=choice.tpm,
            domain_type=choice.domain_type,
            graphic_protocol=choice.graphic_protocol,
            network=choice.network,
            mac_address=choice.mac_address,
            iso_path=self._drive(machine.id, checked),
        )

    async def preview(self, machine: machines.NewMachine, checked: Checked) -> Preview:
        """The same decisions without writing anything."""
        choice = self._choice(machine.id, checked)
        pool_path = checked.pool.path if checked.pool else str(self.place.new_pool_path)
        disk_path = f"{pool_path}/{naming.main_volume(machine.internal_name)}"
        filters: tuple[str, ...] = (naming.machine_filter(machine.id),) if checked.capabilities.nwfilter else ()
        if filters and checked.department_id:
            filters = (naming.department_filter(checked.department_id), *filters)
        xml = ""
        if machine.cpu_cores:
            drive, installer = await self._planned_media(machine.id, checked, choice)
            spec = MachineDesign(
                machine_id=machine.id,
                internal_name=machine.internal_name,
                system=checked.system,
                cpu_cores=machine.cpu_cores,
                ram_gb=machine.ram_gb,
                disk_path=disk_path,
                iso_path=drive,
                installer=installer,
                choice=choice,
                bridge=await self._is_bridge(choice.network),
                machines_dir=self.place.machines_dir,
                graphics_password="",
                from_image=checked.source.image is not None,
            )
            xml = without_secrets(domain_xml(design(spec, checked.capabilities)))
        return Preview(disk_path, choice.firmware, choice.network, filters, xml)

    async def ensure_pool(self, name: str) -> None:
        """The storage pool, made when it is missing and started. Conflict when its folder is not the one given."""
        given = self.place.pool_path
        path = str(given or self.place.new_pool_path)
        await self._hypervisor.storage.ensure_pool(name, path, exactly=given is not None)

    async def make_directory(self, machine_id: str) -> None:
        """The machine's own directory. QEMU's account passes through it, and lists nothing."""
        directory = machine_directory(self.place.machines_dir, machine_id)
        await asyncio.to_thread(_make_directory, directory)

    async def ensure_filters(self, machine_id: str) -> None:
        """The filters of the machine and its department, as they must be."""
        machine = await machines.find_with(self._database, machine_id, ())
        if machine is None:
            raise NotFound("Machine not found")
        await self._filters.ensure(machine.id, machine.departmentId)

    async def ensure_network(self) -> None:
        """Starts the network of the settings when libvirt has one that is not active."""
        if await self._hypervisor.networks.is_active(self.place.network) is False:
            try:
                await self._hypervisor.networks.start(self.place.network)
            except WrongState:
                return  # Another start was first.

    async def ensure_defined(self, machine_id: str) -> None:
        """Defines the domain from the rows; a definition that is there already is left as it is."""
        found, machine = await asyncio.gather(
            self._hypervisor.domains.find(machine_id), machines.find_with_disks(self._database, machine_id)
        )
        if found is not None and found.persistent:
            return
        if machine is None:
            raise NotFound("Machine not found")
        spec = await self.design_of(machine)
        capabilities = await self._hypervisor.capabilities()
        try:
            xml = domain_xml(design(spec, capabilities))
        except ValueError as error:
            raise HostFailure(str(error)) from error
        await self._hypervisor.domains.define(xml)

    async def prepare_start(self, machine_id: str) -> None:
        """Everything that a start needs, verified: directory, filters, network, definition."""
        await self.make_directory(machine_id)
        await self.ensure_filters(machine_id)
        await self.ensure_network()
        await self.ensure_defined(machine_id)

    async def design_of(self, machine: rows.Machine) -> MachineDesign:
        """From the rows of a machine with its disks. Raises NotFound or HostFailure for what is gone."""
        configuration, disks = machine.configuration, machine.disks
        if configuration is None or not disks:
            raise NotFound("The machine's configuration is gone")
        password, installation, volume, is_bridge = await asyncio.gather(
            self._secrets.graphics_password(self._database, machine.id),
            installations.find(self._database, machine.id),
            self._hypervisor.storage.find_volume(disks[0].pool, disks[0].volumeName),
            self._is_bridge(configuration.network),
        )
        if password is None:
            raise NotFound("The machine's configuration is gone")
        drive, installer = self._media.attached(machine, installation)
        if volume is None:
            raise HostFailure(
                "The machine's disk is gone", remedy=f"Put {disks[0].volumeName} back into the pool {disks[0].pool}"
            )
        return MachineDesign(
            machine_id=machine.id,
            internal_name=machine.internalName,
            system=OPERATING_SYSTEMS[machine.os],
            cpu_cores=machine.cpuCores,
            ram_gb=machine.ramGB,
            disk_path=volume.path,
            iso_path=drive,
            choice=_kept_choice(configuration),
            bridge=is_bridge,
            machines_dir=self.place.machines_dir,
            graphics_password=password,
            installer=installer,
            from_image=installation is not None and installation.mode == "image",
        )

    def _drive(self, machine_id: str, checked: Checked) -> str:
        """What lies in the drive at the first start: the ISO, or the answers for an image."""
        return str(self._media.seed_path(machine_id) if checked.source.image else checked.source.path)

    async def _planned_media(
        self, machine_id: str, checked: Checked, choice: Choice
    ) -> tuple[str, InstallerMedia | None]:
        """What is wrong with the wish may be its medium; the plan shows as much as can be known."""
        if checked.problems or checked.installation is None:
            return self._drive(machine_id, checked), None
        mode = checked.installation.mode
        return await self._media.planned(machine_id, checked.source.path, checked.system, mode, choice.firmware)

    def _choice(self, machine_id: str, checked: Checked) -> Choice:
        return choose(
            machine_id,
            checked.system,
            checked.capabilities,
            domain_type=checked.domain_type,
            graphic_protocol=self.place.graphic_protocol,
            network=self.place.network,
        )

    async def _is_bridge(self, network: str) -> bool:
        return uses_bridge(network, known=await self._hypervisor.networks.is_active(network) is not None)


def _kept_choice(configuration: rows.MachineConfiguration) -> Choice:
    return Choice(
        firmware=cast("Firmware", configuration.firmware),
        tpm=configuration.tpm,
        domain_type=configuration.domainType,
        graphic_protocol=cast("Protocol", configuration.graphicProtocol),
        network=configuration.network,
        mac_address=configuration.macAddress,
    )


def _make_directory(directory: Path) -> None:
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    directory.chmod(0o711)  # The mode given to mkdir is subject to the umask.

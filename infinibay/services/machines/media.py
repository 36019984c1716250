"""The media of an installation: made before the first start in the machine's own directory, removed when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from infinibay.core.operating_systems import DRIVERS_ISO, OPERATING_SYSTEMS, OperatingSystem
from infinibay.db import installations, machines, rows
from infinibay.db.client import Database
from infinibay.errors import HostFailure, NotFound
from infinibay.libvirtxml.domain import DirectBoot
from infinibay.secrets import fingerprint, installation_token
from infinibay.services.machines.answers import kept_installation, manager_of
from infinibay.services.machines.design import InstallerMedia, machine_directory
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.unattended.api import UnattendedManager
from infinibay.unattended.installation import ReportHome
from infinibay.unattended.media import iso as images
from infinibay.unattended.media import overlay, seed
from infinibay.unattended.media.kernel import Kernels
from infinibay.unattended.media.remaster import Remasters
from infinibay.unattended.remastering import contents

_SEED, _OVERLAY, _KERNEL, _INITRD = "seed.iso", "windows.qcow2", "kernel", "initrd"


@dataclass(frozen=True)
class _Made:
    """What was made: the fingerprint of the ISO, what lies in the drive in its place, and how the kernel is booted."""

    medium: str
    drive: Path | None = None
    arguments: tuple[str, ...] = ()


class InstallationMedia:
    """Makes and removes media. Each part can be made again, and removed again."""

    def __init__(
        self,
        database: Database,
        secrets: MachineSecrets,
        kernels: Kernels,
        remasters: Remasters,
        *,
        machines_dir: Path,
        iso_dir: Path,
        report_url: str | None,
    ) -> None:
        """`report_url`: where guests reach this server, if they do."""
        self._database = database
        self._secrets = secrets
        self._kernels = kernels
        self._remasters = remasters
        self._machines_dir = machines_dir
        self._iso_dir = iso_dir
        self._report_url = report_url

    async def make(self, machine_id: str) -> None:
        """The media of a machine whose directory is there; a clone needs none. HostFailure or UnusableMedium say what
        is wrong."""
        machine, row = await asyncio.gather(
            machines.find_with_configuration(self._database, machine_id),
            installations.find(self._database, machine_id),
        )
        if machine is None:
            raise NotFound("Machine not found")
        if row is None and machine.configuration is not None and machine.configuration.isoPath is None:
            return
        iso = Path(_iso_path(machine))
        if row is None or row.mode == "manual":
            if not await asyncio.to_thread(iso.is_file):
                raise HostFailure("The installation medium is gone", remedy=f"Put the ISO back as {iso}")
            return
        system = OPERATING_SYSTEMS[machine.os]
        home = None if self._report_url is None else ReportHome(self._report_url, installation_token())
        installation = await kept_installation(self._database, self._secrets, machine, row, iso.name, home)
        manager = manager_of(system, row.mode)
        files = await asyncio.to_thread(manager.files, installation)
        if row.mode == "image":
            await seed.write(iso, manager.label or "", files)
            made = _Made(await asyncio.to_thread(images.fingerprint, iso))
        elif row.mode == "remaster":
            made = await self._remastered(machine.id, iso, system, manager, files)
        else:
            made = await self._seeded(machine.id, iso, system, manager, files, installation.firmware)
        await installations.keep_media(
            self._database,
            machine.id,
            medium=made.medium,
            drive_path=None if made.drive is None else str(made.drive),
            kernel_arguments=made.arguments,
            token_hash=None if home is None else fingerprint(home.token),
        )

    async def check_same(self, machine_id: str) -> None:
        """Raises UnusableMedium when the ISO is no longer the one that the media were made from."""
        row = await installations.find(self._database, machine_id)
        if row is None or row.medium is None:
            return
        machine = await machines.find_with_configuration(self._database, machine_id)
        if machine is None:
            raise NotFound("Machine not found")
        await asyncio.to_thread(images.check_same, Path(_iso_path(machine)), row.medium)

    async def remove(self, machine_id: str) -> None:
        """All that was made for the installer, which holds secrets; what is absent is fine."""
        directory = self._directory(machine_id)
        await seed.remove(directory / _SEED)
        await overlay.remove(directory / _OVERLAY)
        await self._kernels.remove(directory)
        await self._remasters.release(machine_id)

    def attached(
        self, machine: rows.Machine, row: rows.Installation | None
    ) -> tuple[str | None, InstallerMedia | None]:
        """What lies in the drive, and what the installer gets beside it; nothing once the medium is gone."""
        iso = machine.configuration.isoPath if machine.configuration else None
        if iso is None or row is None or row.mode == "manual":
            return iso, None
        system = OPERATING_SYSTEMS[machine.os]
        beside = self._beside(machine.id, system, row.mode, row.kernelArguments, has_layer=row.drivePath is not None)
        return row.drivePath or iso, beside

    async def planned(
        self, machine_id: str, iso: Path, system: OperatingSystem, mode: str, firmware: str
    ) -> tuple[str, InstallerMedia | None]:
        """The same for a machine that is not made; a new ISO that would be built is shown as the one that it is built
        from. Raises UnusableMedium."""
        if mode == "manual":
            return str(iso), None
        drive = self.seed_path(machine_id) if mode == "image" else iso
        if mode != "seed":
            return str(drive), self._beside(machine_id, system, mode, (), has_layer=False)
        arguments = manager_of(system, mode).kernel_arguments(await asyncio.to_thread(images.label, iso))
        has_layer = _needs_layer(system, firmware)
        if has_layer:
            drive = self._directory(machine_id) / _OVERLAY
        return str(drive), self._beside(machine_id, system, mode, arguments, has_layer=has_layer)

    def _beside(
        self, machine_id: str, system: OperatingSystem, mode: str, arguments: Collection[str], *, has_layer: bool
    ) -> InstallerMedia:
        if mode == "image":
            return InstallerMedia()
        drivers = str(self._iso_dir / DRIVERS_ISO) if system.is_windows else None
        if mode == "remaster":
            return InstallerMedia(drivers_path=drivers)
        directory = self._directory(machine_id)
        has_seed = manager_of(system, mode).label is not None
        boot = None
        if arguments:
            kernel, initrd = (str(directory / name) for name in (_KERNEL, _INITRD))
            boot = DirectBoot(kernel, initrd, " ".join(arguments))
        return InstallerMedia(str(directory / _SEED) if has_seed else None, boot, drivers, overlay=has_layer)

    async def _seeded(
        self,
        machine_id: str,
        iso: Path,
        system: OperatingSystem,
        manager: UnattendedManager,
        files: dict[str, bytes],
        firmware: str,
    ) -> _Made:
        directory = self._directory(machine_id)
        if manager.label is not None:
            await seed.write(directory / _SEED, manager.label, files)
        if not system.is_windows:
            added = files if manager.label is None else {}
            boot = await self._kernels.place(iso, directory, added)
            return _Made(boot.medium, arguments=manager.kernel_arguments(boot.label))
        medium = await asyncio.to_thread(images.fingerprint, iso)
        if not _needs_layer(system, firmware):
            return _Made(medium)
        await overlay.write(directory / _OVERLAY, iso)
        return _Made(medium, directory / _OVERLAY)

    async def _remastered(
        self,
        machine_id: str,
        iso: Path,
        system: OperatingSystem,
        manager: UnattendedManager,
        files: dict[str, bytes],
    ) -> _Made:
        medium = await asyncio.to_thread(images.fingerprint, iso)
        label = await asyncio.to_thread(images.label, iso)
        inside = contents(system.family, files, manager.kernel_arguments(label))
        return _Made(medium, await self._remasters.take(iso, inside, machine_id))

    def seed_path(self, machine_id: str) -> Path:
        """Where the answers for a machine's installer, or for its image, lie."""
        return self._directory(machine_id) / _SEED

    def _directory(self, machine_id: str) -> Path:
        return machine_directory(self._machines_dir, machine_id)


def _needs_layer(system: OperatingSystem, firmware: str) -> bool:
    """Whether the boot image that asks for a key has to be hidden. A BIOS asks only where the disk boots too."""
    return system.is_windows and firmware != "bios"


def _iso_path(machine: rows.Machine) -> str:
    path = machine.configuration.isoPath if machine.configuration else None
    if path is None:
        raise NotFound("The machine has no installation medium")
    return path

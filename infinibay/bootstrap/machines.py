"""The parts that machines are made, driven and removed with, and the kinds of operations they bring."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from infinibay.bootstrap.foundation import Foundation
from infinibay.core.installing import REPORT_PATH
from infinibay.host.resources import own_address
from infinibay.operations.api import OperationKind
from infinibay.services.department_removal import DepartmentRemoval
from infinibay.services.image_volumes import ImageVolumes
from infinibay.services.images.generalise import Generaliser
from infinibay.services.images.making import ImageSteps
from infinibay.services.installations.finish import FinishSteps
from infinibay.services.installations.recorder import FlightRecorder
from infinibay.services.machines.changes import MoveSteps
from infinibay.services.machines.cleanup import Cleanup
from infinibay.services.machines.creation_steps import CreationSteps
from infinibay.services.machines.definition import Definition, Place
from infinibay.services.machines.disks import Disks
from infinibay.services.machines.firewall import MachineFilters
from infinibay.services.machines.installation_secrets import MachineSecrets
from infinibay.services.machines.media import InstallationMedia
from infinibay.services.machines.power import PowerVerbs
from infinibay.services.machines.status import StatusKeeper
from infinibay.settings import ANY_ADDRESS, Settings
from infinibay.unattended.media.kernel import Kernels
from infinibay.unattended.media.remaster import Remasters

_ONLY_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class MachineParts:
    """What the kinds share with the services."""

    definition: Definition
    secrets: MachineSecrets
    keeper: StatusKeeper
    recorder: FlightRecorder
    kinds: Mapping[str, OperationKind]


def machine_parts(base: Foundation) -> MachineParts:
    """Builds the parts and the table of all kinds of operations."""
    settings, database, hypervisor = base.settings, base.database, base.hypervisor
    filters = MachineFilters(hypervisor)
    secrets = MachineSecrets(base.vault)
    keeper = StatusKeeper(database, hypervisor, base.host.id)
    place = Place(
        pool_name=settings.infinibay_storage_pool_name,
        pool_path=settings.infinibay_storage_pool_path,
        new_pool_path=settings.new_pool_path,
        network=settings.libvirt_network_name,
        graphic_protocol=settings.graphic_protocol,
        machines_dir=base.machines_dir,
    )
    media = InstallationMedia(
        database,
        secrets,
        Kernels(settings.infinibay_base_dir / "kernels"),
        Remasters(settings.infinibay_iso_temp_dir / "remastered", asyncio.Semaphore(settings.infinibay_media_budget)),
        machines_dir=base.machines_dir,
        iso_dir=settings.infinibay_iso_dir,
        report_url=_report_url(settings),
    )
    definition = Definition(database, hypervisor, filters, secrets, media, place)
    volumes = ImageVolumes(database, hypervisor)
    cleanup = Cleanup(database, hypervisor, filters, volumes, base.machines_dir)
    disks = Disks(database, hypervisor, volumes)
    creation = CreationSteps(
        database,
        hypervisor,
        definition,
        cleanup,
        keeper,
        secrets,
        media,
        disks,
        keep_failed=settings.infinibay_keep_failed,
    )
    power = PowerVerbs(hypervisor, definition, keeper, settings.infinibay_power_off_seconds)
    finish = FinishSteps(database, hypervisor, definition, media, secrets, keeper)
    generaliser = Generaliser(hypervisor, definition, volumes, base.machines_dir, settings.infinibay_first_boot_seconds)
    images = ImageSteps(database, hypervisor, volumes, definition, generaliser, settings.infinibay_iso_dir)
    sources = (creation, finish, images, power, MoveSteps(database, definition), DepartmentRemoval(database, filters))
    kinds = {kind.name: kind for source in sources for kind in source.kinds()}
    return MachineParts(definition, secrets, keeper, FlightRecorder(hypervisor, base.machines_dir), kinds)


def _report_url(settings: Settings) -> str | None:
    """Where guests without a port of their own report; None when they can't reach this server."""
    if settings.host in _ONLY_HERE or settings.port == 0:
        return None
    host = own_address() if settings.app_host == ANY_ADDRESS else settings.app_host
    return None if host is None else f"http://{host}:{settings.port}{REPORT_PATH}"

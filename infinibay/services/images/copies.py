"""The rows of a clone and of what it stands on, from those of its source."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

from infinibay.core import naming
from infinibay.db import images, machines, rows
from infinibay.errors import Conflict, HostFailure, NotFound
from infinibay.unattended.media import disk_image
from infinibay.virt.api import Hypervisor


async def stamp_of(hypervisor: Hypervisor, source: rows.Machine) -> str | None:
    """Tells a machine's disk as it is from the same disk later; None where this process does not see it. Raises
    Conflict when it is gone."""
    disk = (source.disks or [])[0]
    volume = await hypervisor.storage.find_volume(disk.pool, disk.volumeName)
    if volume is None:
        raise Conflict("The machine's disk is gone")
    try:
        return await asyncio.to_thread(disk_image.stamp_of, Path(volume.path))
    except HostFailure:
        return None


def machine_of(source: rows.Machine, name: str, user_id: str) -> machines.NewMachine:
    """The same sizes, system and department under another name and id."""
    machine_id = str(uuid4())
    return machines.NewMachine(
        id=machine_id,
        name=name,
        name_key=naming.name_key(name),
        internal_name=naming.domain_name(machine_id),
        os=source.os,
        cpu_cores=source.cpuCores,
        ram_gb=source.ramGB,
        disk_size_gb=source.diskSizeGB,
        host_id=source.hostId,
        user_id=user_id,
        template_id=source.templateId,
        department_id=source.departmentId,
    )


def disk_of(source: rows.Machine, stamp: str | None) -> images.NewImage:
    """The image of a machine's disk, for its clones."""
    image_id = str(uuid4())
    name = f"Disk of {source.name[:60]} ({image_id[:13]})"
    return images.NewImage(
        id=image_id,
        name=name,
        name_key=naming.name_key(name),
        os=source.os,
        kind="clone",
        pool=(source.disks or [])[0].pool,
        volume_name=naming.image_volume(image_id),
        size_gb=source.diskSizeGB,
        source_machine_id=source.id,
        source_stamp=stamp,
    )


def configuration_of(source: rows.Machine, machine_id: str) -> machines.NewConfiguration:
    """The same domain with a network address of its own and no medium. Raises NotFound."""
    kept = source.configuration
    if kept is None:
        raise NotFound("The machine's configuration is gone")
    return machines.NewConfiguration(
        firmware=kept.firmware,
        tpm=kept.tpm,
        domain_type=kept.domainType,
        graphic_protocol=kept.graphicProtocol,
        network=kept.network,
        mac_address=naming.mac_address(machine_id),
        iso_path=None,
    )

"""Makes the copy of a machine's disk fit for other machines: it is started once, without a network, under the id of the
image, and its own agent takes out what was this machine's alone."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from infinibay.core import naming
from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.db import rows
from infinibay.errors import (
    HostFailure,
    ObjectMissing,
    WrongState,
)
from infinibay.libvirtxml.devices import NicSpec
from infinibay.libvirtxml.domain import domain_xml
from infinibay.operations.api import StepContext
from infinibay.services.image_volumes import ImageVolumes
from infinibay.services.images.copied_system import CopiedSystem, pause
from infinibay.services.machines.definition import Definition
from infinibay.services.machines.design import design, machine_directory
from infinibay.services.machines.starting import bring_up
from infinibay.unattended.generalising import generalising
from infinibay.virt.api import DomainState, Hypervisor

_NVRAM, _DONE = "nvram.fd", "generalised"


class Generaliser:
    """`seconds`: how long the system may take to start until its agent answers."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        definition: Definition,
        volumes: ImageVolumes,
        machines_dir: Path,
        seconds: float,
    ) -> None:
        self._hypervisor = hypervisor
        self._definition = definition
        self._volumes = volumes
        self._machines_dir = machines_dir
        self._seconds = seconds

    async def run(self, context: StepContext, image: rows.Image, machine: rows.Machine) -> None:
        """From a new copy of the machine's disk to an image. Raises HostFailure where its agent is silent or refuses,
        OperationCancelled when somebody asks for its end."""
        way, done = generalising(OPERATING_SYSTEMS[machine.os]), self._directory(image.id) / _DONE
        agent = CopiedSystem(self._hypervisor.guests, context, image.id)
        if not await asyncio.to_thread(done.exists):
            await self._define(image, machine)
            await bring_up(self._hypervisor.domains, image.id)
            await agent.until_answers(self._seconds)
            await context.log("The system of the copy runs and its agent answers")
            await agent.forget_itself(way)
            await asyncio.to_thread(done.touch)
        await agent.power_off()
        await self._until_off(context, image.id, way.off_seconds)

    async def was_cut_short(self, image_id: str) -> bool:
        """Whether the copy was started and is not known to be an image. It can't become one any more: a system that
        starts again after it has forgotten itself takes itself for a new machine's."""
        directory = self._directory(image_id)
        return await asyncio.to_thread(lambda: directory.exists() and not (directory / _DONE).exists())

    async def clean(self, image_id: str) -> None:
        """Removes the domain and its directory; what is absent is fine."""
        domains = self._hypervisor.domains
        found = await domains.find(image_id)
        if found is not None and found.state is not DomainState.SHUTOFF:
            with suppress(WrongState, ObjectMissing):
                await domains.destroy(image_id)
        if found is not None:
            with suppress(ObjectMissing):
                await domains.undefine(image_id)
        directory = self._directory(image_id)
        if await asyncio.to_thread(directory.exists):
            await asyncio.to_thread(shutil.rmtree, directory)

    async def _define(self, image: rows.Image, machine: rows.Machine) -> None:
        await self._definition.make_directory(image.id)
        await asyncio.to_thread(self._copy_variables, machine.id, image.id)
        own = await self._definition.design_of(machine)
        spec = replace(
            own,
            machine_id=image.id,
            internal_name=naming.image_domain(image.id),
            disk_path=(await self._volumes.present(image)).path,
            iso_path=None,
            installer=None,
        )
        made = design(spec, await self._hypervisor.capabilities())
        # Nobody shall reach it, and it shall fetch nothing.
        alone = tuple(device for device in made.devices if not isinstance(device, NicSpec))
        await self._hypervisor.domains.define(domain_xml(replace(made, devices=alone)))

    def _copy_variables(self, machine_id: str, image_id: str) -> None:
        """What the machine's firmware knows of its boot loader."""
        source = self._directory(machine_id) / _NVRAM
        if source.is_file():
            shutil.copyfile(source, self._directory(image_id) / _NVRAM)

    def _directory(self, owner_id: str) -> Path:
        """That of a machine, or of the domain in which an image is made."""
        return machine_directory(self._machines_dir, owner_id)

    async def _until_off(self, context: StepContext, image_id: str, seconds: int) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = await self._hypervisor.domains.find(image_id)
            if found is None or found.state is DomainState.SHUTOFF:
                return
            await pause(context)
        raise HostFailure(f"The copied system did not power off within {seconds} s")

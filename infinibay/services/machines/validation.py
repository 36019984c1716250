"""Everything that can be known about a wish for a machine before anything is written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from infinibay.core import naming, sizing
from infinibay.core.identifiers import canonical
from infinibay.core.operating_systems import DRIVERS_ISO, OPERATING_SYSTEMS, OperatingSystem
from infinibay.db import departments, machines, rows, templates
from infinibay.db.client import Database
from infinibay.db.machines import NewInstallation
from infinibay.errors import FieldProblem
from infinibay.services.machines.answers import MediaMode, wish
from infinibay.services.machines.design import TEST_DRIVER, choose_firmware
from infinibay.services.machines.installation_secrets import Installation
from infinibay.services.machines.requests import CreateMachineRequest
from infinibay.services.machines.sources import Source, Sources
from infinibay.services.machines.work import Choice, by_hand_problems, check_choice, check_kept
from infinibay.virt.api import Capabilities, Hypervisor, PoolInfo

DEFAULT_DEPARTMENT = "Default"
_NO_TEMPLATE = ("", "custom")
_DRIVERS = f"Put the ISO of the virtio-win project into it as {DRIVERS_ISO}"


@dataclass(frozen=True)
class Sizes:
    """What the machine gets; RAM and disk in GB."""

    cores: int
    ram_gb: int
    disk_gb: int


@dataclass
class Checked:
    """A checked wish: what its texts stand for, and what is wrong with it. Sizes are 0 where they are not known."""

    request: CreateMachineRequest
    system: OperatingSystem
    capabilities: Capabilities
    domain_type: str
    source: Source
    pool: PoolInfo | None
    sizes: Sizes = field(default_factory=lambda: Sizes(0, 0, 0))
    template_id: str | None = None
    department_id: str | None = None
    installation: NewInstallation | None = None
    choice: Choice = field(default_factory=Choice)
    problems: list[FieldProblem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Validation:
    """Checks a CreateMachineRequest against rules, database, host and files; every wrong field is named at once."""

    def __init__(
        self,
        database: Database,
        hypervisor: Hypervisor,
        *,
        sources: Sources,
        pool_name: str,
        network: str,
        wanted_type: str,
        media_mode: MediaMode,
    ) -> None:
        self._database = database
        self._hypervisor = hypervisor
        self._sources = sources
        self._pool_name = pool_name
        self._network = network
        self._wanted_type = wanted_type
        self._media_mode = media_mode

    async def check(self, request: CreateMachineRequest) -> Checked:
        """Reads only. Raises HypervisorUnavailable or DatabaseUnavailable where an answer can't be had."""
        system = OPERATING_SYSTEMS[request.os]
        host, taken, department, source = await asyncio.gather(
            self._look_at_host(),
            self._is_taken(request.name),
            self._department(request.department_id),
            self._sources.choose(system, request),
        )
        pool, capabilities, domain_type, network = host
        checked = Checked(
            request=request,
            system=system,
            capabilities=capabilities,
            domain_type=domain_type,
            source=source,
            pool=pool,
            department_id=department.id if department else None,
        )
        self._check_names(checked, taken=taken)
        if department is None:
            checked.problems.append(FieldProblem("departmentId", "Department not found"))
        await self._check_sizes(checked)
        await self._check_extras(checked)
        checked.problems += source.problems
        self._check_host(checked)
        if network is False:
            checked.warnings.append(f"The network {self._network} is not active; it is started before the machine")
        await self._check_installation(checked)
        return checked

    async def _look_at_host(self) -> tuple[PoolInfo | None, Capabilities, str, bool | None]:
        return await asyncio.gather(
            self._hypervisor.storage.find_pool(self._pool_name),
            self._hypervisor.capabilities(),
            self._hypervisor.domain_type(self._wanted_type),
            self._hypervisor.networks.is_active(self._network),
        )

    async def _check_installation(self, checked: Checked) -> None:
        system, medium = checked.system, checked.source.medium
        bios = checked.domain_type == TEST_DRIVER or choose_firmware(system, checked.capabilities) == "bios"
        wished = wish(checked.request, system, medium, "bios" if bios else "efi", self._media_mode)
        checked.installation = wished.new
        # What holds for every machine was said already.
        checked.problems += [problem for problem in wished.problems if problem not in checked.problems]
        checked.warnings += wished.warnings
        if wished.new.mode == "manual":
            checked.problems += by_hand_problems(checked.choice)
        if not system.is_windows or wished.new.mode in ("manual", "image"):
            return
        if not await self._sources.has_drivers():
            checked.problems.append(
                FieldProblem("os", "The virtio drivers for Windows are missing in the ISO directory", remedy=_DRIVERS)
            )

    async def check_kept(self, machine: rows.Machine, installation: Installation) -> None:
        """Raises BadUserInput where the applications and scripts of a machine can't be installed any more."""
        await check_kept(self._database, machine, installation)

    async def _is_taken(self, name: str) -> bool:
        """Whether another machine has the name; a text that can't be a name is not looked up."""
        if sizing.name_problems("name", name):
            return False
        return await machines.is_name_taken(self._database, naming.name_key(name))

    def _check_names(self, checked: Checked, *, taken: bool) -> None:
        request, problems = checked.request, checked.problems
        problems += sizing.name_problems("name", request.name)
        if taken:
            problems.append(FieldProblem("name", f'Machine name "{request.name.strip()}" is already taken', "CONFLICT"))
        problems += sizing.username_problems(request.username, checked.system.family)
        problems += sizing.password_problems(request.password)
        if request.product_key:
            problems += sizing.product_key_problems(request.product_key)

    async def _department(self, wanted: str | None) -> rows.Department | None:
        if not wanted:
            return await departments.find_by_name_key(self._database, naming.name_key(DEFAULT_DEPARTMENT))
        known_form = canonical(wanted)
        return await departments.find(self._database, known_form) if known_form else None

    async def _check_sizes(self, checked: Checked) -> None:
        request = checked.request
        custom = (request.custom_cores, request.custom_ram, request.custom_storage)
        if (request.template_id or "") in _NO_TEMPLATE:
            self._take_custom(checked, custom)
        elif any(value is not None for value in custom):
            checked.problems.append(FieldProblem("templateId", "Give either a template or custom sizes, not both"))
        else:
            await self._take_template(checked, request.template_id or "")
        if checked.sizes.cores:
            self._compare_with_host(checked)

    def _take_custom(self, checked: Checked, custom: Sequence[int | None]) -> None:
        names = ("customCores", "customRam", "customStorage")
        missing = [name for name, value in zip(names, custom, strict=True) if value is None]
        if missing:
            checked.problems += [
                FieldProblem(name, "Custom hardware specifications are required when not using a template")
                for name in missing
            ]
            return
        cores, ram, disk = (value or 0 for value in custom)
        wrong = sizing.size_problems(cores, ram, disk)
        checked.problems += wrong
        if not wrong:
            checked.sizes = Sizes(cores, ram, disk)

    async def _take_template(self, checked: Checked, template_id: str) -> None:
        row = await templates.find(self._database, known_form) if (known_form := canonical(template_id)) else None
        if row is None:
            checked.problems.append(FieldProblem("templateId", "Machine template not found"))
            return
        checked.template_id = row.id
        checked.sizes = Sizes(row.cores, row.ramGB, row.storageGB)

    def _compare_with_host(self, checked: Checked) -> None:
        sizes = checked.sizes
        verdict = sizing.host_verdict(
            cores=sizes.cores,
            ram_gb=sizes.ram_gb,
            disk_gb=sizes.disk_gb,
            system=checked.system,
            limits=sizing.HostLimits(
                max_vcpus=checked.capabilities.max_vcpus,
                host_cpus=checked.capabilities.host_cpus,
                host_memory_gb=checked.capabilities.host_memory_kib // 1024**2,
                pool_available_gb=checked.pool.available // 1024**3 if checked.pool else None,
            ),
            from_template=checked.template_id is not None,
        )
        checked.problems += verdict.problems
        checked.warnings += verdict.warnings
        image = checked.source.image
        if image is not None and sizes.disk_gb < image.sizeGB:
            field = "templateId" if checked.template_id is not None else "customStorage"
            message = f"The image {image.name} needs a disk of at least {image.sizeGB} GB, not {sizes.disk_gb}"
            checked.problems.append(FieldProblem(field, message))

    async def _check_extras(self, checked: Checked) -> None:
        request, problems = checked.request, checked.problems
        if request.pci_bus:
            problems.append(
                FieldProblem("pciBus", "Passing PCI devices through is not available yet", "NOT_IMPLEMENTED")
            )
        checked.choice, wrong = await check_choice(self._database, request, checked.system)
        problems += wrong

    def _check_host(self, checked: Checked) -> None:
        if checked.system.tpm and checked.domain_type != "test" and not checked.capabilities.tpm:
            checked.problems.append(
                FieldProblem(
                    "os", f"{checked.system.title} needs a TPM, and this host has none to offer", remedy="Install swtpm"
                )
            )
        if checked.system.secure_boot and checked.domain_type != "test" and not checked.capabilities.secure_boot:
            checked.problems.append(
                FieldProblem(
                    "os",
                    f"{checked.system.title} needs secure boot, and this host has no firmware for it",
                    remedy="Install ovmf",
                )
            )
        if checked.domain_type == "qemu":
            checked.warnings.append("KVM does not run guests on this host: the machine is emulated and slow")

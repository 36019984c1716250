"""The host's report: each thing that machines need, whether it is there, the evidence, and what mends it.

It works with every part down: a part that does not answer is a finding, not a failure of the report.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.errors import InfinibayError
from infinibay.settings import Settings
from infinibay.virt.api import Hypervisor

_LEAST_FREE_GB = 10
_ANSWER_SECONDS = 10
# libvirt examines QEMU when it is asked for the first time.
_FIRST_EXAMINATION_SECONDS = 90
_BRIDGE_FILTERING = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_IOMMU_GROUPS = Path("/sys/kernel/iommu_groups")


class CheckState(StrEnum):
    """How a requirement stands."""

    OK = "OK"
    WARNING = "WARNING"
    FAILED = "FAILED"


@dataclass(frozen=True)
class HostCheck:
    """One requirement: what was seen, and the command or step that mends it."""

    name: str
    state: CheckState
    evidence: str
    remedy: str | None = None


class Doctor:
    """Asks every part of the host. `probes` are further parts by name: each returns its evidence or raises."""

    def __init__(
        self, settings: Settings, hypervisor: Hypervisor, probes: dict[str, Callable[[], Awaitable[str]]]
    ) -> None:
        self._settings = settings
        self._hypervisor = hypervisor
        self._probes = probes

    async def report(self) -> list[HostCheck]:
        """All checks, in the order in which a person would mend them."""
        checks = [self._base_directory()]
        for name, probe in self._probes.items():
            checks.append(await _asked(name, probe, f"See the log for what keeps the {name} from answering"))
        checks.append(
            await _asked(
                "hypervisor", self._version, "systemctl start libvirtd (or: libvirtd -d)", _FIRST_EXAMINATION_SECONDS
            )
        )
        if checks[-1].state is CheckState.OK:
            checks += await self._hypervisor_checks()
        checks += [self._iommu(), self._bridge_filtering(), self._media()]
        return checks

    async def _version(self) -> str:
        await self._hypervisor.ping()
        capabilities = await self._hypervisor.capabilities()
        return f"libvirt {capabilities.libvirt_version}, QEMU {capabilities.hypervisor_version}"

    async def _hypervisor_checks(self) -> list[HostCheck]:
        return [await self._kvm(), await self._firmware(), await self._tpm(), await self._pool(), await self._network()]

    async def _kvm(self) -> HostCheck:
        kind = await self._hypervisor.domain_type(self._settings.infinibay_domain_type)
        if kind == "kvm":
            return HostCheck("kvm", CheckState.OK, "KVM runs guests here")
        if kind == "test":
            return HostCheck("kvm", CheckState.WARNING, "libvirt's test driver: machines are simulated")
        return HostCheck(
            "kvm",
            CheckState.WARNING,
            f"machines are emulated (TCG) and slow. {(await self._hypervisor.kvm_verdict()).reason}",
            "Enable virtualization in the firmware, load kvm_intel or kvm_amd, run "
            "chgrp kvm /dev/kvm && chmod 660 /dev/kvm; INFINIBAY_DOMAIN_TYPE forces a type",
        )

    async def _firmware(self) -> HostCheck:
        capabilities = await self._hypervisor.capabilities()
        if capabilities.efi and capabilities.secure_boot:
            return HostCheck("firmware", CheckState.OK, f"UEFI with secure boot: {capabilities.secure_code}")
        evidence = "UEFI without secure boot" if capabilities.efi else "no UEFI firmware"
        return HostCheck("firmware", CheckState.WARNING, evidence, "apt-get install ovmf")

    async def _tpm(self) -> HostCheck:
        if (await self._hypervisor.capabilities()).tpm:
            return HostCheck("tpm", CheckState.OK, "swtpm emulates TPM 2.0")
        return HostCheck("tpm", CheckState.WARNING, "no TPM emulator", "apt-get install swtpm swtpm-tools")

    async def _pool(self) -> HostCheck:
        name = self._settings.infinibay_storage_pool_name
        pool = await self._hypervisor.storage.find_pool(name)
        if pool is None:
            return HostCheck("pool", CheckState.OK, f"{name} is made with the first machine")
        if not pool.active:
            return HostCheck("pool", CheckState.FAILED, f"{name} is not active", f"virsh pool-start {name}")
        free = pool.available // 1024**3
        state = CheckState.OK if free >= _LEAST_FREE_GB else CheckState.WARNING
        return HostCheck("pool", state, f"{name}: {free} GB free in {pool.path}", None if free else "Free some space")

    async def _network(self) -> HostCheck:
        name = self._settings.libvirt_network_name
        active = await self._hypervisor.networks.is_active(name)
        if active:
            return HostCheck("network", CheckState.OK, f"{name} is active")
        if active is None:
            return HostCheck("network", CheckState.WARNING, f"{name} is no libvirt network: taken for a bridge")
        return HostCheck("network", CheckState.OK, f"{name} is started with the first machine")

    def _base_directory(self) -> HostCheck:
        base = self._settings.infinibay_base_dir
        if os.access(base, os.W_OK):
            return HostCheck("base directory", CheckState.OK, f"{base} is writable")
        return HostCheck(
            "base directory", CheckState.FAILED, f"{base} is not writable", f"mkdir -p {base} && chown $USER {base}"
        )

    def _iommu(self) -> HostCheck:
        groups = len(list(_IOMMU_GROUPS.iterdir())) if _IOMMU_GROUPS.is_dir() else 0
        if groups:
            return HostCheck("iommu", CheckState.OK, f"{groups} groups")
        return HostCheck(
            "iommu",
            CheckState.WARNING,
            "no groups: PCI devices can't be passed through",
            "Boot with intel_iommu=on or amd_iommu=on",
        )

    def _bridge_filtering(self) -> HostCheck:
        enabled = _BRIDGE_FILTERING.is_file() and _BRIDGE_FILTERING.read_text().strip() == "1"
        if enabled:
            return HostCheck("bridge filtering", CheckState.OK, "bridged packets pass iptables")
        return HostCheck(
            "bridge filtering",
            CheckState.WARNING,
            "bridged packets bypass iptables: firewall rules for ports would have no effect",
            "modprobe br_netfilter && sysctl net.bridge.bridge-nf-call-iptables=1",
        )

    def _media(self) -> HostCheck:
        folder = self._settings.infinibay_iso_dir
        present = [system.iso_name for system in OPERATING_SYSTEMS.values() if (folder / system.iso_name).is_file()]
        if present:
            return HostCheck("media", CheckState.OK, f"{', '.join(present)} in {folder}")
        return HostCheck(
            "media", CheckState.WARNING, f"no installation ISO in {folder}", f"cp YOUR.iso {folder / 'ubuntu.iso'}"
        )


async def _asked(
    name: str, probe: Callable[[], Awaitable[str]], remedy: str, seconds: float = _ANSWER_SECONDS
) -> HostCheck:
    try:
        async with asyncio.timeout(seconds):
            return HostCheck(name, CheckState.OK, await probe())
    except InfinibayError as error:
        return HostCheck(name, CheckState.FAILED, error.message, error.remedy or remedy)
    except TimeoutError:
        return HostCheck(name, CheckState.FAILED, f"no answer within {seconds} s", remedy)

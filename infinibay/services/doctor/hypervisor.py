"""The checks that libvirt answers."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

from infinibay.errors import Unsupported
from infinibay.host.facts import HostFacts, InterfaceKind, is_root
from infinibay.services.doctor.checks import CheckState, HostCheck, asked, failed, ok, unknown, warning
from infinibay.services.doctor.this_host import AS_ROOT, space
from infinibay.settings import Settings
from infinibay.virt.api import Hypervisor

_SECONDS = 15
# libvirt examines QEMU when it is asked for the first time.
_FIRST_EXAMINATION_SECONDS = 90
_LIBVIRTD_SOCKET = "/run/libvirt/libvirt-sock"
_VIRTLOGD_SOCKET = "/run/libvirt/virtlogd-sock"
_NAMED_DOMAINS = 10
_FIREWALL_REMEDY = "apt-get install libvirt-daemon-system && systemctl restart libvirtd"
_DEFAULT_NETWORK = "/usr/share/libvirt/networks/default.xml"


class HypervisorChecks:
    """Asks libvirt; changes nothing."""

    def __init__(self, settings: Settings, hypervisor: Hypervisor, facts: HostFacts) -> None:
        self._settings = settings
        self._hypervisor = hypervisor
        self._facts = facts

    async def report(self, domain_ids: frozenset[str] | None) -> list[HostCheck]:
        """`domain_ids` are those of our domains; None where the database did not tell."""
        checks = [self._log_daemon()] if self._settings.libvirt_uri.startswith("qemu:///") else []
        answering = await asked("hypervisor", self._wake_libvirtd(), _FIRST_EXAMINATION_SECONDS, self._version)
        checks.insert(0, answering)
        looks = {
            "kvm": self._kvm,
            "uefi": self._uefi,
            "secure boot": self._secure_boot,
            "tpm": self._tpm,
            "network filters": self._network_filters,
            "pool": self._pool,
            "network": self._network,
            "other domains": lambda: self._other_domains(domain_ids),
        }
        if answering.state is CheckState.FAILED:
            return [*checks, *(unknown(name, answering) for name in looks)]
        for name, look in looks.items():
            checks.append(await asked(name, "journalctl -u libvirtd -n 50", _SECONDS, look))
        return checks

    async def _version(self) -> HostCheck:
        await self._hypervisor.ping()
        capabilities = await self._hypervisor.capabilities()
        return ok(
            "hypervisor", f"libvirt {capabilities.libvirt_version}, QEMU {capabilities.hypervisor_version} answer"
        )

    def _log_daemon(self) -> HostCheck:
        if self._facts.listens(_VIRTLOGD_SOCKET):
            return ok("virtlogd", "answers")
        return failed("virtlogd", "does not answer, and machines log through it", self._start("virtlogd"))

    async def _kvm(self) -> HostCheck:
        wanted = self._settings.infinibay_domain_type
        try:
            kind = await self._hypervisor.domain_type(wanted)
        except Unsupported as error:
            return failed("kvm", error.message, "Set INFINIBAY_DOMAIN_TYPE=auto")
        if kind == "test":
            return warning("kvm", "libvirt's test driver: machines are simulated", "Set LIBVIRT_URI=qemu:///system")
        verdict = await self._hypervisor.kvm_verdict()
        if kind == "kvm" and verdict.works:
            return ok("kvm", verdict.reason)
        if kind == "kvm":
            return failed(
                "kvm", f"INFINIBAY_DOMAIN_TYPE is kvm, but: {verdict.reason}", "Set INFINIBAY_DOMAIN_TYPE=auto"
            )
        slow = "machines are emulated (TCG) and slow"
        if verdict.works:
            return warning("kvm", f"INFINIBAY_DOMAIN_TYPE is qemu: {slow}", "Set INFINIBAY_DOMAIN_TYPE=auto")
        return warning(
            "kvm", f"{slow}. {verdict.reason}", "Mend what the checks cpu and kvm device say, then ask again"
        )

    async def _uefi(self) -> HostCheck:
        capabilities = await self._hypervisor.capabilities()
        if capabilities.efi:
            return ok("uefi", f"OVMF: {capabilities.efi_code}")
        return warning("uefi", "no UEFI firmware: machines boot with a BIOS", self._install("ovmf"))

    async def _secure_boot(self) -> HostCheck:
        capabilities = await self._hypervisor.capabilities()
        if capabilities.secure_boot:
            return ok("secure boot", f"OVMF with enrolled keys: {capabilities.secure_code}")
        return warning("secure boot", "no firmware for it: Windows 11 can't be installed", self._install("ovmf"))

    async def _tpm(self) -> HostCheck:
        if (await self._hypervisor.capabilities()).tpm:
            return ok("tpm", "swtpm emulates TPM 2.0")
        return warning("tpm", "no emulator: Windows 11 can't be installed", self._install("swtpm swtpm-tools"))

    async def _network_filters(self) -> HostCheck:
        if (await self._hypervisor.capabilities()).nwfilter:
            return ok("network filters", "libvirt has them")
        return warning("network filters", "libvirt has none: firewall rules have no effect", _FIREWALL_REMEDY)

    async def _pool(self) -> HostCheck:
        name, given = self._settings.infinibay_storage_pool_name, self._settings.infinibay_storage_pool_path
        pool = await self._hypervisor.storage.find_pool(name)
        if pool is None:
            return await asyncio.to_thread(space, "pool", self._settings.new_pool_path)
        if given is not None and not await asyncio.to_thread(_same_folder, given, pool.path):
            evidence = f"{name} lies in {pool.path}, but INFINIBAY_STORAGE_POOL_PATH is {given}"
            return failed("pool", evidence, f"Set INFINIBAY_STORAGE_POOL_PATH={pool.path}")
        if not pool.active:
            return failed("pool", f"{name} is not active", self._virsh(f"pool-start {shlex.quote(name)}"))
        return await asyncio.to_thread(space, "pool", Path(pool.path))

    async def _network(self) -> HostCheck:
        name = self._settings.libvirt_network_name
        active = await self._hypervisor.networks.is_active(name)
        if active is not None:
            return ok("network", f"{name} is active" if active else f"{name} is started with the first machine")
        kind = self._facts.interface(name)
        if kind is InterfaceKind.BRIDGE:
            return ok("network", f"{name} is a bridge of the host")
        if kind is InterfaceKind.OTHER:
            evidence = f"{name} is neither a network of libvirt nor a bridge, but another interface of the host"
            return failed("network", evidence, "Set LIBVIRT_NETWORK_NAME to a network or a bridge")
        mend = (
            f"{self._virsh(f'net-define {_DEFAULT_NETWORK}')} && {self._virsh('net-autostart default')}"
            if name == "default"
            else f"ip link add name {shlex.quote(name)} type bridge && ip link set {shlex.quote(name)} up"
        )
        return failed("network", f"there is neither a network of libvirt nor a bridge {name}", mend)

    async def _other_domains(self, domain_ids: frozenset[str] | None) -> HostCheck:
        domains = await self._hypervisor.domains.list_all()
        if domain_ids is None:
            evidence = f"which of the host's {len(domains)} domains are ours is not known without the database"
            return warning("other domains", evidence, "Mend what the checks database and query engine say")
        others = sorted(domain.name for domain in domains if domain.uuid not in domain_ids)
        if not others:
            return ok("other domains", "none")
        more = f" and {len(others) - _NAMED_DOMAINS} more" if len(others) > _NAMED_DOMAINS else ""
        return ok("other domains", f"{', '.join(others[:_NAMED_DOMAINS])}{more}: not ours, never touched")

    def _wake_libvirtd(self) -> str:
        """What mends a hypervisor that does not answer: its daemon is gone, closed to this account, or stuck."""
        if not self._facts.listens(_LIBVIRTD_SOCKET):
            return self._start("libvirtd")
        return self._restart() if is_root() else AS_ROOT

    def _start(self, daemon: str) -> str:
        return f"systemctl start {daemon}" if self._facts.has_systemd() else f"{daemon} -d"

    def _install(self, packages: str) -> str:
        """A new connection to libvirt sees what was installed."""
        return f"apt-get install {packages} && {self._restart()}"

    def _restart(self) -> str:
        by_hand = "kill $(cat /run/libvirtd.pid); libvirtd -d"
        return "systemctl restart libvirtd" if self._facts.has_systemd() else by_hand

    def _virsh(self, command: str) -> str:
        return f"virsh -c {shlex.quote(self._settings.libvirt_uri)} {command}"


def _same_folder(one: Path, other: str) -> bool:
    return one.resolve() == Path(other).resolve()

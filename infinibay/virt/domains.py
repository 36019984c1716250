"""Domains through libvirt, by UUID."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import libvirt

from infinibay.errors import (
    HostFailure,
    HypervisorError,
    HypervisorRefused,
    ObjectMissing,
    Unsupported,
)
from infinibay.libvirtxml import reader
from infinibay.libvirtxml.installed import empty_cdrom_xml
from infinibay.log import get_logger
from infinibay.virt import errors, filter_bindings, qemu_log
from infinibay.virt.api import DomainInfo
from infinibay.virt.connection import Connection, Kind
from infinibay.virt.states import describe

log = get_logger(__name__)

T = TypeVar("T")

# A start alone takes about a hundred: libvirt writes down the whole command line.
_LOG_LINES = 400
_START_PAUSES = (0.2, 1.0)
_START_REMEDY = (
    "Look at the host's resources (free memory, CPUs), at the storage (QEMU's account must reach the disk and the ISO) "
    "and at the network."
)
_UNDEFINE_ALL = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    | libvirt.VIR_DOMAIN_UNDEFINE_TPM
)
# What drivers have learnt only lately, or never, in the order in which it is given up.
_UNDEFINE_OPTIONAL = (
    libvirt.VIR_DOMAIN_UNDEFINE_TPM,
    libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
    libvirt.VIR_DOMAIN_UNDEFINE_NVRAM,
)


class LibvirtDomains:
    """See `infinibay.virt.api.Domains`."""

    def __init__(self, connection: Connection, log_dir: Path) -> None:
        self._connection = connection
        self._log_dir = log_dir

    async def find(self, uuid: str) -> DomainInfo | None:
        try:
            return await self._with(Kind.QUERY, uuid, self._info)
        except ObjectMissing:
            return None

    async def list_all(self) -> list[DomainInfo]:
        def look(connection: libvirt.virConnect) -> list[DomainInfo]:
            # Two calls for all domains, however many there are.
            found = connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
            undefined = connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
            transient = {domain.UUIDString() for domain in undefined}
            return [
                self._described(
                    domain,
                    stats.get("state.state", 0),
                    stats.get("state.reason", 0),
                    persistent=domain.UUIDString() not in transient,
                )
                for domain, stats in found
            ]

        return await self._connection.call(Kind.QUERY, look)

    async def define(self, xml: str) -> DomainInfo:
        """Raises ObjectExists when the name belongs to another UUID. A refused XML is logged without its secrets."""
        try:
            return await self._connection.call(
                Kind.CHANGE,
                lambda connection: self._info(connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)),
            )
        except HypervisorError as error:
            log.error("virt.define_failed", reason=error.message, xml=_shown(xml))  # noqa: TRY400 - it is raised on
            if (taken := errors.name_taken(error)) is not None:
                raise taken from error
            raise

    async def start(self, uuid: str) -> None:
        """A failure says what to look at and what QEMU said."""
        try:
            await self._start_patiently(uuid)
        except (HostFailure, HypervisorRefused, Unsupported) as error:
            said = await self.complaints(uuid)
            log.error("virt.start_failed", domain=uuid, reason=error.message, qemu=said[-5:])  # noqa: TRY400
            words = f" QEMU said: {' | '.join(said[-5:])}" if said else ""
            raise type(error)(error.message, libvirt_code=error.libvirt_code, remedy=_START_REMEDY + words) from error

    async def _start_patiently(self, uuid: str) -> None:
        """Asks again after a moment for what the host lacked: libvirt chooses the port of the graphics before QEMU
        takes it, and another program, or a guest whose start an ended daemon had begun, may have been quicker."""
        pauses = iter(_START_PAUSES)
        while True:
            try:
                return await self._with(Kind.START, uuid, lambda domain: domain.create())
            except HostFailure as error:
                if await self._bindings_removed(error):
                    continue
                if (pause := next(pauses, None)) is None:
                    raise
                log.warning("virt.start_again", domain=uuid, reason=error.message, again_in=pause)
                await asyncio.sleep(pause)

    async def _bindings_removed(self, error: HostFailure) -> bool:
        """Whether abandoned bindings of filters stood in the way of a start, and do no longer."""
        if error.libvirt_code != libvirt.VIR_ERR_OPERATION_FAILED:
            return False
        try:
            return await self._connection.call(
                Kind.CHANGE, lambda connection: filter_bindings.remove_named(connection, error.message)
            )
        except HypervisorError as obstacle:
            # A driver without filters has no bindings either; else the start's own reason is the one to tell.
            log.warning("virt.bindings_not_removed", reason=obstacle.message)
            return False

    async def shutdown(self, uuid: str) -> None:
        # Without flags libvirt asks the agent where one is connected, and else the ACPI button.
        await self._with(Kind.CHANGE, uuid, lambda domain: domain.shutdown())

    async def reboot(self, uuid: str) -> None:
        await self._with(Kind.CHANGE, uuid, lambda domain: domain.reboot(0))

    async def reset(self, uuid: str) -> None:
        await self._with(Kind.CHANGE, uuid, lambda domain: domain.reset(0))

    async def suspend(self, uuid: str) -> None:
        await self._with(Kind.CHANGE, uuid, lambda domain: domain.suspend())

    async def resume(self, uuid: str) -> None:
        await self._with(Kind.CHANGE, uuid, lambda domain: domain.resume())

    async def destroy(self, uuid: str) -> None:
        await self._with(Kind.CHANGE, uuid, lambda domain: domain.destroy())

    async def undefine(self, uuid: str) -> None:
        await self._with(Kind.CHANGE, uuid, _undefine)

    async def xml(self, uuid: str, *, inactive: bool = False, secure: bool = False) -> str:
        flags = (libvirt.VIR_DOMAIN_XML_INACTIVE if inactive else 0) | (libvirt.VIR_DOMAIN_XML_SECURE if secure else 0)

        def read(domain: libvirt.virDomain) -> str:
            text: str = domain.XMLDesc(flags)
            return text

        return await self._with(Kind.QUERY, uuid, read)

    async def log_tail(self, uuid: str, lines: int = 20) -> list[str]:
        try:
            return await self._with(Kind.QUERY, uuid, lambda domain: self._log_of(domain, lines))
        except ObjectMissing:
            return []

    async def complaints(self, uuid: str) -> list[str]:
        return qemu_log.complaints(await self.log_tail(uuid, _LOG_LINES))

    async def eject(self, uuid: str, target: str) -> None:
        def change(domain: libvirt.virDomain) -> None:
            domain.updateDeviceFlags(
                empty_cdrom_xml(domain.XMLDesc(), target),
                libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE,
            )

        await self._with(Kind.CHANGE, uuid, change)

    async def _with(
        self, kind: Kind, uuid: str, function: Callable[[libvirt.virDomain], T], *, seconds: float | None = None
    ) -> T:
        return await self._connection.call(
            kind,
            lambda connection: function(connection.lookupByUUIDString(uuid)),
            seconds=seconds,
            counted_as=function,
        )

    def _info(self, domain: libvirt.virDomain) -> DomainInfo:
        state, reason = domain.state()
        return self._described(domain, state, reason, persistent=bool(domain.isPersistent()))

    def _described(self, domain: libvirt.virDomain, state: int, reason: int, *, persistent: bool) -> DomainInfo:
        described = describe(state, reason)
        info = DomainInfo(
            uuid=domain.UUIDString(),
            name=domain.name(),
            state=described.state,
            broken=described.broken,
            reason=described.reason,
            persistent=persistent,
            stalled=described.stalled,
            died=described.died,
            starting=described.starting,
        )
        if info.broken and (failure := qemu_log.kvm_failure(self._log_of(domain, _LOG_LINES))):
            return replace(info, reason=failure)
        return info

    def _log_of(self, domain: libvirt.virDomain, lines: int) -> list[str]:
        return qemu_log.tail(self._log_dir / f"{domain.name()}.log", lines)


def _undefine(domain: libvirt.virDomain) -> None:
    flags = _UNDEFINE_ALL
    for optional in (*_UNDEFINE_OPTIONAL, None):
        try:
            domain.undefineFlags(flags)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG or optional is None:
                raise
            flags &= ~optional
        else:
            return


def _shown(xml: str) -> str:
    try:
        return reader.without_secrets(xml)
    except ValueError:
        return "(not well-formed, so its secrets cannot be told from the rest)"

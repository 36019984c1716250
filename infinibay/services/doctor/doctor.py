"""The report on this host: what machines need, whether it is there, the evidence, and what mends it.

It works with every part down: a part that does not answer is a finding, not a failure of the report. It changes
nothing.
"""

from __future__ import annotations

import asyncio

from infinibay.services.doctor.checks import HostCheck
from infinibay.services.doctor.database import DatabaseChecks
from infinibay.services.doctor.hypervisor import HypervisorChecks
from infinibay.services.doctor.this_host import ThisHost

# The order in which a person would mend them.
_ORDER = (
    "base directory",
    "secrets",
    "space",
    "database",
    "migrations",
    "query engine",
    "hypervisor",
    "virtlogd",
    "worker",
    "cpu",
    "kvm device",
    "kvm",
    "uefi",
    "secure boot",
    "tpm",
    "pool",
    "network",
    "network filters",
    "bridge filtering",
    "memory",
    "iommu",
    "media",
    "media programs",
    "windows drivers",
    "clock",
    "other domains",
)


class Doctor:
    """Asks every part of the host that its process runs on."""

    def __init__(self, this_host: ThisHost, database: DatabaseChecks, hypervisor: HypervisorChecks) -> None:
        self._this_host = this_host
        self._database = database
        self._hypervisor = hypervisor

    async def report(self) -> list[HostCheck]:
        """The same checks in the same order each time; a test driver has no log daemon."""
        own, database = await asyncio.gather(asyncio.to_thread(self._this_host.report), self._database.report())
        checks = [*own, *database.checks, *await self._hypervisor.report(database.domain_ids)]
        return sorted(checks, key=lambda check: _ORDER.index(check.name))

"""The keeper of a host's installations."""

from __future__ import annotations

from infinibay.bootstrap.foundation import Foundation
from infinibay.bootstrap.machines import MachineParts
from infinibay.core.installing import Limits
from infinibay.db.locks import LockHolder
from infinibay.operations.engine import OperationEngine
from infinibay.services.installations.keeper import InstallationKeeper
from infinibay.services.installations.reports import Reports
from infinibay.services.installations.watcher import Watcher


def installation_keeper(base: Foundation, parts: MachineParts, engine: OperationEngine) -> InstallationKeeper:
    """Wires it to the adapters."""
    settings = base.settings
    limits = Limits(
        boot=settings.infinibay_installer_begin_seconds,
        install=settings.infinibay_installer_seconds,
        first_boot=settings.infinibay_first_boot_seconds,
    )

    reports = Reports(base.database)

    def watcher(machine_id: str) -> Watcher:
        return Watcher(
            machine_id, base.database, base.hypervisor, engine, parts.recorder, reports, parts.secrets, limits
        )

    return InstallationKeeper(base.database, base.hypervisor, LockHolder(base.database_url), base.host.id, watcher)

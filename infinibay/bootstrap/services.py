"""The services of one process."""

from __future__ import annotations

from datetime import timedelta

from infinibay.bootstrap.foundation import Foundation
from infinibay.bootstrap.machines import MachineParts
from infinibay.operations.engine import OperationEngine
from infinibay.secrets import metrics_token
from infinibay.services.audit import AuditService
from infinibay.services.auth import AuthService, token_key
from infinibay.services.container import Services
from infinibay.services.department_removal import DepartmentRemover
from infinibay.services.departments import DepartmentService
from infinibay.services.events import EventsService
from infinibay.services.figures import FiguresService
from infinibay.services.idempotency import IdempotencyService
from infinibay.services.machines.changes import MachineChanges
from infinibay.services.machines.create import CreateMachine, Planner
from infinibay.services.machines.service import MachineService
from infinibay.services.machines.validation import Validation
from infinibay.services.operations import OperationsService
from infinibay.services.passwords import Passwords


def build_services(base: Foundation, parts: MachineParts, engine: OperationEngine, passwords: Passwords) -> Services:
    """Wires the services to the adapters."""
    settings, database = base.settings, base.database
    key = token_key(settings.tokenkey, base.vault)
    planner = Planner(build_validation(base), parts.definition, base.host.id)
    creation = CreateMachine(database, engine, planner, parts.secrets, base.host.id)
    machines = MachineService(
        database,
        engine,
        creation,
        MachineChanges(database, engine),
        parts.secrets,
        power_off_seconds=settings.infinibay_power_off_seconds,
        graphic_host=settings.graphic_host,
    )
    return Services(
        auth=AuthService(database, passwords, key, lifetime=timedelta(hours=settings.token_hours)),
        machines=machines,
        departments=DepartmentService(database, DepartmentRemover(engine, base.host.id)),
        operations=OperationsService(database, engine),
        events=EventsService(database),
        idempotency=IdempotencyService(database, base.locks, key),
        audit=AuditService(database),
        figures=FiguresService(database, metrics_token(settings.metrics_token_file)),
    )


def build_validation(base: Foundation) -> Validation:
    """The checks of createMachine."""
    settings = base.settings
    return Validation(
        base.database,
        base.hypervisor,
        iso_dir=settings.infinibay_iso_dir,
        pool_name=settings.infinibay_storage_pool_name,
        network=settings.libvirt_network_name,
        wanted_type=settings.infinibay_domain_type,
    )

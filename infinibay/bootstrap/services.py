"""The services of one process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from infinibay.bootstrap.diagnosis import serving_doctor
from infinibay.bootstrap.foundation import Foundation
from infinibay.bootstrap.isos import IsoParts
from infinibay.bootstrap.machines import MachineParts
from infinibay.db import rows
from infinibay.events.feed import Feed
from infinibay.events.stays import Stays
from infinibay.operations.engine import OperationEngine
from infinibay.secrets import metrics_token
from infinibay.services.accounts import AccountService
from infinibay.services.applications import ApplicationService
from infinibay.services.audit import AuditService
from infinibay.services.auth import AuthService, token_key
from infinibay.services.container import Services
from infinibay.services.credentials import Credentials
from infinibay.services.department_removal import DepartmentRemover
from infinibay.services.departments import DepartmentService
from infinibay.services.events import EventsService
from infinibay.services.figures import FiguresService
from infinibay.services.idempotency import IdempotencyService
from infinibay.services.images import Cloner, ImageService
from infinibay.services.installations.reports import Reports
from infinibay.services.installations.service import InstallationService
from infinibay.services.machines.changes import MachineChanges
from infinibay.services.machines.create import CreateMachine, Planner
from infinibay.services.machines.service import MachineService
from infinibay.services.machines.sources import Sources
from infinibay.services.machines.states import MachineStates
from infinibay.services.machines.validation import Validation
from infinibay.services.operations import OperationsService
from infinibay.services.passwords import Passwords
from infinibay.services.scripts.service import ScriptService
from infinibay.services.streams import Streams
from infinibay.services.template_categories import TemplateCategoryService
from infinibay.services.templates import TemplateService
from infinibay.services.throttle import LoginThrottle
from infinibay.services.users import UserService


@dataclass(frozen=True)
class Live:
    """What the streams of this process read from, and whose they are."""

    feed: Feed[rows.Event]
    stays: Stays


def build_services(
    base: Foundation,
    parts: MachineParts,
    media: IsoParts,
    engine: OperationEngine,
    live: Live,
    passwords: Passwords,
) -> Services:
    """Wires the services to the adapters."""
    settings, database = base.settings, base.database
    key = token_key(settings.tokenkey, base.vault)
    planner = Planner(build_validation(base, media), parts.definition, base.host.id)
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
    credentials = Credentials(passwords, LoginThrottle())
    accounts = AccountService(database, passwords, settings.first_admin_file)
    return Services(
        auth=AuthService(database, passwords, credentials, key, lifetime=timedelta(hours=settings.token_hours)),
        users=UserService(database, passwords, credentials, accounts),
        machines=machines,
        applications=ApplicationService(database),
        scripts=ScriptService(database),
        departments=DepartmentService(database, DepartmentRemover(database, engine, base.host.id)),
        templates=TemplateService(database),
        template_categories=TemplateCategoryService(database),
        installations=InstallationService(database, parts.recorder, Reports(database)),
        machine_states=MachineStates(database, live.feed),
        images=ImageService(
            database,
            engine,
            iso_dir=settings.infinibay_iso_dir,
            pool_name=settings.infinibay_storage_pool_name,
            host_id=base.host.id,
        ),
        cloning=Cloner(database, engine, base.hypervisor, parts.secrets),
        isos=media.service,
        iso_uploads=media.uploads,
        operations=OperationsService(database, engine, live.feed),
        events=EventsService(database, live.feed),
        streams=Streams(database, live.stays),
        idempotency=IdempotencyService(database, base.locks, key),
        audit=AuditService(database),
        doctor=serving_doctor(settings, base.hypervisor, base.database_url, database),
        figures=FiguresService(database, metrics_token(settings.metrics_token_file)),
    )


def build_validation(base: Foundation, media: IsoParts) -> Validation:
    """The checks of createMachine."""
    settings = base.settings
    return Validation(
        base.database,
        base.hypervisor,
        sources=Sources(base.database, media.library),
        pool_name=settings.infinibay_storage_pool_name,
        network=settings.libvirt_network_name,
        wanted_type=settings.infinibay_domain_type,
        media_mode=settings.infinibay_media_mode,
    )

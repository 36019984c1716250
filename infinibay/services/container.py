"""The services of one process, as the edges (GraphQL, command line) receive them."""

from __future__ import annotations

from dataclasses import dataclass

from infinibay.services.applications import ApplicationService
from infinibay.services.audit import AuditService
from infinibay.services.auth import AuthService
from infinibay.services.departments import DepartmentService
from infinibay.services.doctor import Doctor
from infinibay.services.events import EventsService
from infinibay.services.figures import FiguresService
from infinibay.services.idempotency import IdempotencyService
from infinibay.services.images import Cloner, ImageService
from infinibay.services.installations.service import InstallationService
from infinibay.services.isos import IsoService, IsoUploads
from infinibay.services.machines.service import MachineService
from infinibay.services.machines.states import MachineStates
from infinibay.services.operations import OperationsService
from infinibay.services.scripts.service import ScriptService
from infinibay.services.streams import Streams
from infinibay.services.template_categories import TemplateCategoryService
from infinibay.services.templates import TemplateService
from infinibay.services.users import UserService


@dataclass(frozen=True)
class Services:
    """Every call whose answer or effect depends on the caller takes the principal first; the figures have a token of
    their own."""

    auth: AuthService
    users: UserService
    machines: MachineService
    machine_states: MachineStates
    installations: InstallationService
    applications: ApplicationService
    scripts: ScriptService
    departments: DepartmentService
    templates: TemplateService
    template_categories: TemplateCategoryService
    images: ImageService
    cloning: Cloner
    isos: IsoService
    iso_uploads: IsoUploads
    operations: OperationsService
    events: EventsService
    streams: Streams
    idempotency: IdempotencyService
    audit: AuditService
    doctor: Doctor
    figures: FiguresService

"""The services of one process, as the edges (GraphQL, command line) receive them."""

from __future__ import annotations

from dataclasses import dataclass

from infinibay.services.audit import AuditService
from infinibay.services.auth import AuthService
from infinibay.services.departments import DepartmentService
from infinibay.services.events import EventsService
from infinibay.services.figures import FiguresService
from infinibay.services.idempotency import IdempotencyService
from infinibay.services.machines.service import MachineService
from infinibay.services.operations import OperationsService


@dataclass(frozen=True)
class Services:
    """Every call takes the principal first, except logging in and the figures, which have a token of their own."""

    auth: AuthService
    machines: MachineService
    departments: DepartmentService
    operations: OperationsService
    events: EventsService
    idempotency: IdempotencyService
    audit: AuditService
    figures: FiguresService

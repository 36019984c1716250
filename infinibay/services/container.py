"""The services of one process, as the edges (GraphQL, command line) receive them."""

from __future__ import annotations

from dataclasses import dataclass

from infinibay.services.audit import AuditService
from infinibay.services.auth import AuthService
from infinibay.services.departments import DepartmentService
from infinibay.services.events import EventsService
from infinibay.services.idempotency import IdempotencyService
from infinibay.services.machines.service import MachineService
from infinibay.services.machines.states import MachineStates
from infinibay.services.operations import OperationsService
from infinibay.services.streams import Streams


@dataclass(frozen=True)
class Services:
    """Every call takes the principal first, except logging in."""

    auth: AuthService
    machines: MachineService
    machine_states: MachineStates
    departments: DepartmentService
    operations: OperationsService
    events: EventsService
    streams: Streams
    idempotency: IdempotencyService
    audit: AuditService

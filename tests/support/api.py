"""The product's HTTP edge over a real database, asked as a client would."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from argon2 import PasswordHasher
from starlette.types import ASGIApp

from infinibay.bootstrap.diagnosis import serving_doctor
from infinibay.bootstrap.isos import iso_parts
from infinibay.core.access import Principal, Role
from infinibay.db import departments, rows
from infinibay.db.client import Database, EngineOptions
from infinibay.db.hooks import Hooks
from infinibay.db.live import LivePump, new_feed
from infinibay.db.locks import LockHolder
from infinibay.events.stays import Stays
from infinibay.model_callbacks import department, machine
from infinibay.services.accounts import AccountService
from infinibay.services.applications import ApplicationService
from infinibay.services.audit import AuditService
from infinibay.services.auth import AuthService
from infinibay.services.container import Services
from infinibay.services.credentials import Credentials
from infinibay.services.departments import DepartmentService, DepartmentView
from infinibay.services.events import EventsService
from infinibay.services.figures import FiguresService
from infinibay.services.idempotency import IdempotencyService
from infinibay.services.images.clone import Cloner
from infinibay.services.images.service import ImageService
from infinibay.services.installations.recorder import FlightRecorder
from infinibay.services.installations.reports import Reports
from infinibay.services.installations.service import InstallationService
from infinibay.services.machines.service import MachineService
from infinibay.services.machines.states import MachineStates
from infinibay.services.operations import OperationsService
from infinibay.services.passwords import Passwords
from infinibay.services.scripts.service import ScriptService
from infinibay.services.streams import Streams
from infinibay.services.template_categories import TemplateCategoryService
from infinibay.services.templates import TemplateService
from infinibay.services.throttle import LoginThrottle
from infinibay.services.users import UserService
from infinibay.virt.hypervisor import LibvirtHypervisor
from infinibay.web.app import create_app
from tests.support.databases import settings_below
from tests.support.recording import RecordingImages, RecordingMachines, RecordingOperations

KEY = b"k" * 32
PASSWORD = "correct horse"
FIGURES_TOKEN = "token of the figures"
ROLES = (Role.USER, Role.ADMIN, Role.SUPER_ADMIN)


def auth_service(
    database: Database,
    passwords: Passwords,
    *,
    lifetime: timedelta = timedelta(hours=1),
    throttle: LoginThrottle | None = None,
) -> AuthService:
    """A door of its own to the database, with a throttle that has seen nothing yet."""
    credentials = Credentials(passwords, throttle or LoginThrottle())
    return AuthService(database, passwords, credentials, KEY, lifetime=lifetime)


def quick_passwords() -> Passwords:
    """Real argon2id with parameters that cost no time."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@dataclass
class Api:
    """A running edge: `tokens` and `users` by role, and the parts behind it."""

    app: ASGIApp
    client: httpx.AsyncClient
    database: Database
    services: Services
    machines: RecordingMachines
    operations: RecordingOperations
    accounts: AccountService
    tokens: dict[Role, str] = field(default_factory=dict)
    users: dict[Role, rows.User] = field(default_factory=dict)
    readiness: dict[str, str | None] = field(default_factory=dict)

    async def post(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        role: Role | None = Role.SUPER_ADMIN,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> httpx.Response:
        """The HTTP answer to a query by a role, or by nobody (None)."""
        authorization: dict[str, str | bytes] = {"authorization": f"Bearer {self.tokens[role]}"} if role else {}
        body = {"query": query, "variables": variables or {}}
        sent = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in {**authorization, **(headers or {})}.items()
        ]
        # The library's own encoder leaves characters as they are, and so refuses lone surrogates; escapes carry them.
        content = json.dumps(body).encode("ascii")
        return await self.client.post(
            "/graphql", content=content, headers=[*sent, (b"content-type", b"application/json")]
        )

    async def ask(
        self, query: str, variables: dict[str, Any] | None = None, role: Role | None = Role.SUPER_ADMIN
    ) -> dict[str, Any]:
        """The data of a query without errors."""
        answer = (await self.post(query, variables, role)).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def refusal(
        self, query: str, variables: dict[str, Any] | None = None, role: Role | None = Role.SUPER_ADMIN
    ) -> dict[str, Any]:
        """The one error of a query."""
        answer = (await self.post(query, variables, role)).json()
        (error,) = answer["errors"]
        return {"message": error["message"], **error["extensions"]}

    def principal(self, role: Role) -> Principal:
        return Principal(user_id=self.users[role].id, role=role, session_id="")


@asynccontextmanager
async def running_api(url: str, base: Path, *, origins: tuple[str, ...] = ()) -> AsyncIterator[Api]:
    """An edge over the database with a user of each role (`user@example.com` …, password `PASSWORD`).

    Its hypervisor is away.
    """
    hooks = Hooks()
    department.register(hooks)
    machine.register(hooks)
    database = Database(url, engine=EngineOptions(run_dir=base), hooks=hooks)
    await database.connect()
    locks = LockHolder(url)
    passwords = quick_passwords()
    settings = settings_below(base, **({"ALLOWED_ORIGINS": ",".join(origins)} if origins else {}))
    machines, operations = RecordingMachines(), RecordingOperations()
    credentials = Credentials(passwords, LoginThrottle())
    accounts = AccountService(database, passwords, base / "first-admin")
    feed, stays = new_feed(), Stays()
    media = iso_parts(settings, database)
    pump = LivePump(database, url, feed, stays)
    await pump.start()
    hypervisor = LibvirtHypervisor(settings.libvirt_uri, settings.run_dir)
    services = Services(
        auth=AuthService(database, passwords, credentials, KEY, lifetime=timedelta(hours=1)),
        users=UserService(database, passwords, credentials, accounts),
        machines=cast("MachineService", machines),
        machine_states=MachineStates(database, feed),
        installations=InstallationService(database, FlightRecorder(hypervisor, base / "machines"), Reports(database)),
        applications=ApplicationService(database),
        scripts=ScriptService(database),
        departments=DepartmentService(database, remove_department(database)),
        templates=TemplateService(database),
        template_categories=TemplateCategoryService(database),
        images=cast("ImageService", RecordingImages(machines)),
        cloning=cast("Cloner", RecordingImages(machines)),
        isos=media.service,
        iso_uploads=media.uploads,
        operations=cast("OperationsService", operations),
        events=EventsService(database, feed),
        streams=Streams(database, stays),
        idempotency=IdempotencyService(database, locks, KEY),
        audit=AuditService(database),
        doctor=serving_doctor(settings, hypervisor, url, database),
        figures=FiguresService(database, FIGURES_TOKEN),
    )
    readiness: dict[str, str | None] = {"database": None, "hypervisor": None, "worker": None}

    async def report() -> dict[str, str | None]:
        return readiness

    app = create_app(services, settings, report)
    transport = httpx.ASGITransport(app=app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            api = Api(app, client, database, services, machines, operations, accounts, readiness=readiness)
            for role in ROLES:
                await _join(api, role)
            yield api
    finally:
        await pump.stop()
        await locks.close()
        await database.disconnect()
        passwords.close()


async def _join(api: Api, role: Role) -> None:
    email = f"{role.value.lower()}@example.com"
    user = await api.accounts.create_user(email, PASSWORD, first_name=role.value, last_name="Person", role=role)
    api.users[role] = user
    api.tokens[role] = (await api.services.auth.login(email, PASSWORD)).token


def remove_department(database: Database) -> Any:
    """Removes the row alone, as there is no filter in these tests."""

    async def remove(_principal: Principal, department: DepartmentView) -> None:
        await departments.delete(database, department.row.id)

    return remove

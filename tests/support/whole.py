"""The whole product in this process: the real application, services and worker over a real database.

The hypervisor is libvirt's test driver, which makes no volumes of our kind: creations are accepted, fail in their
first step, and leave a `failed` machine behind.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import httpx
import psycopg
import structlog

from infinibay import log
from infinibay.bootstrap import running
from infinibay.core.access import Role
from infinibay.db.client import Database, EngineOptions
from infinibay.services.accounts import AccountService
from infinibay.services.container import Services
from infinibay.settings import Settings
from infinibay.web.app import create_app
from tests.support.api import quick_passwords
from tests.support.databases import settings_below
from tests.support.iso_layouts import ubuntu_iso
from tests.support.sockets import served
from tests.support.twin import twin_uri
from tests.support.wait import until

PASSWORD = "correct horse battery"
ADMINISTRATOR = "first@example.com"
# What changes without any request, or with every one: the worker's sign of life, the audit trail.
_UNSTEADY = {"hosts", "audit_entries", "_prisma_migrations"}
_CREATE = "mutation ($input: CreateMachineInputType!) { createMachine(input: $input) { id operation { id } } }"
_DEPARTMENT = "mutation ($name: String!) { createDepartment(name: $name) { id } }"
_LOGIN = "mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { token } }"


@dataclass
class Whole:
    """The running product: `client` asks it in process, sockets find it at `url`; tokens by the name of a caller, and
    the connection that looks at its tables."""

    client: httpx.AsyncClient
    services: Services
    accounts: AccountService
    connection: psycopg.AsyncConnection[Any]
    settings: Settings
    url: str
    tokens: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)

    async def send(self, body: Any, token: str | None) -> httpx.Response:
        """The answer to a JSON body; escapes carry what UTF-8 can't."""
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        return await self.client.post("/graphql", content=json.dumps(body).encode("ascii"), headers=headers)

    async def post(
        self, query: str, variables: Mapping[str, Any] | None = None, token: str | None = None
    ) -> httpx.Response:
        return await self.send({"query": query, "variables": dict(variables or {})}, token)

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None, caller: str = "first") -> Any:
        """The data of a query without errors."""
        answer = (await self.post(query, variables, self.tokens[caller])).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def join(self, name: str, role: Role) -> str:
        """A new user who has logged in; the id."""
        email = f"{name}-{uuid4()}@example.com"
        user = await self.accounts.create_user(email, PASSWORD, first_name=name, last_name="Person", role=role)
        self.users[name] = user.id
        self.tokens[name] = await self.login(email, PASSWORD)
        return email

    async def login(self, email: str, password: str) -> str:
        answer = (await self.post(_LOGIN, {"email": email, "password": password})).json()
        return str(answer["data"]["login"]["token"])

    async def machine(self, **changes: Any) -> dict[str, Any]:
        """A new machine, once its creation has ended: its id and its operation's."""
        wanted = {**machine_input(), **changes}
        created = (await self.ask(_CREATE, {"input": wanted}))["createMachine"]
        await self.settled()
        return {"id": created["id"], "operation": created["operation"]["id"]}

    async def department(self, name: str | None = None) -> str:
        """A new department's id."""
        created = await self.ask(_DEPARTMENT, {"name": name or f"Department {uuid4()}"})
        return str(created["createDepartment"]["id"])

    async def settled(self) -> None:
        """Waits until no operation runs."""

        async def idle() -> bool:
            return not await self.rows("SELECT 1 FROM operations WHERE ended_at IS NULL")

        await until(idle, 30, "the end of all operations")

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        cursor = await self.connection.execute(statement.encode(), values)
        return await cursor.fetchall()

    async def state(self) -> dict[str, str]:
        """A fingerprint of each table that only changes by what somebody asked for."""
        found = await self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = sorted({name for (name,) in found} - _UNSTEADY)
        union = " UNION ALL ".join(
            f"SELECT '{name}', md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) FROM \"{name}\" t"
            for name in names
        )
        return dict(await self.rows(union))


def machine_input() -> dict[str, Any]:
    """The input of a small machine that is accepted."""
    return {
        "name": f"machine {uuid4()}",
        "os": "UBUNTU",
        "username": "user",
        "password": "secret password",
        "customCores": 1,
        "customRam": 1,
        "customStorage": 1,
    }


@contextmanager
def logged_to(file: Path, level: str = "INFO") -> Iterator[None]:
    """The product's own logging inside the block, into a file."""
    root = logging.getLogger()
    handlers, level_before = root.handlers[:], root.level
    with file.open("a") as stream:
        with redirect_stderr(stream):
            log.configure(level=level, json=True)
        # A logger that is kept would go on writing here after the block.
        structlog.configure(cache_logger_on_first_use=False)
        try:
            yield
        finally:
            structlog.reset_defaults()
            root.handlers[:] = handlers
            root.setLevel(level_before)


@asynccontextmanager
async def whole(url: str, base: Path, role: Literal["all", "api"] = "all") -> AsyncIterator[Whole]:
    """Runs the product below a base directory and over a migrated database; it logs into `server.log`."""
    (base / "iso").mkdir()
    ubuntu_iso(base / "iso" / "ubuntu.iso")
    settings = settings_below(
        base,
        DATABASE_URL=url,
        LIBVIRT_URI=twin_uri(base),
        DEFAULT_ADMIN_EMAIL=ADMINISTRATOR,
        DEFAULT_ADMIN_PASSWORD=PASSWORD,
    )
    passwords = quick_passwords()
    with logged_to(base / "server.log"):
        async with (
            running(settings, role) as product,
            await psycopg.AsyncConnection.connect(url, autocommit=True) as own,
        ):
            database = Database(url, engine=EngineOptions(run_dir=base))
            await database.connect()
            app = create_app(product.services, settings, product.readiness.report)
            try:
                async with (
                    served(app) as address,
                    httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client,
                ):
                    accounts = AccountService(database, passwords, base / "first-admin")
                    made = Whole(client, product.services, accounts, own, settings, address)
                    made.tokens["first"] = await made.login(ADMINISTRATOR, PASSWORD)
                    yield made
            finally:
                await database.disconnect()
                passwords.close()

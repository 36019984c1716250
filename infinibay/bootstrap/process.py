"""One running process of the product, in the role that it was given."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from infinibay import metrics
from infinibay.bootstrap.foundation import Foundation, foundation
from infinibay.bootstrap.machines import MachineParts, machine_parts
from infinibay.bootstrap.services import build_services
from infinibay.core import naming
from infinibay.db import departments
from infinibay.errors import UniqueViolation
from infinibay.operations.api import FaultPoints
from infinibay.operations.engine import OperationEngine
from infinibay.services.accounts import AccountService
from infinibay.services.container import Services
from infinibay.services.machines.validation import DEFAULT_DEPARTMENT
from infinibay.services.passwords import Passwords
from infinibay.services.readiness import Readiness
from infinibay.services.worker import HostWorker
from infinibay.settings import Settings

Role = Literal["api", "worker", "all"]


@dataclass(frozen=True)
class Product:
    """What the edges of the process use."""

    settings: Settings
    services: Services
    readiness: Readiness


@asynccontextmanager
async def running(settings: Settings, role: Role, faults: FaultPoints | None = None) -> AsyncIterator[Product]:
    """Starts the product and takes it down in reverse; `faults` lets tests die at the border of a step."""
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(foundation(settings))
        passwords = Passwords()
        await _first_start(base, passwords)
        _watch_loop(stack)
        parts = machine_parts(base)
        engine = _engine(base, parts, role, faults)
        await engine.start()
        stack.push_async_callback(engine.stop)
        if role != "api":
            worker = HostWorker(base.database, engine, parts.keeper, base.host.id)
            await worker.start()
            stack.push_async_callback(worker.stop)
        yield Product(
            settings=settings,
            services=build_services(base, parts, engine, passwords),
            readiness=Readiness(base.database, base.hypervisor, base.host.id),
        )


def _watch_loop(stack: AsyncExitStack) -> None:
    watcher = asyncio.create_task(metrics.watch_loop(), name="loop-watcher")

    async def stop() -> None:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    stack.push_async_callback(stop)


def _engine(base: Foundation, parts: MachineParts, role: Role, faults: FaultPoints | None) -> OperationEngine:
    settings = base.settings
    return OperationEngine(
        parts.kinds,
        base.database,
        base.database_url,
        host_id=base.host.id,
        budgets={"media": settings.infinibay_media_budget, "start": settings.infinibay_start_budget},
        role=role,
        retention_days=settings.infinibay_operation_days,
        faults=faults,
    )


async def _first_start(base: Foundation, passwords: Passwords) -> None:
    """The first administrator and the department that machines belong to by default."""
    settings = base.settings
    accounts = AccountService(base.database, passwords, settings.first_admin_file)
    terminal = sys.stderr if sys.stderr.isatty() else None
    await accounts.ensure_first_admin(settings.default_admin_email, settings.default_admin_password, terminal)
    key = naming.name_key(DEFAULT_DEPARTMENT)
    if await departments.find_by_name_key(base.database, key) is None:
        try:
            await departments.create(base.database, DEFAULT_DEPARTMENT, key)
        except UniqueViolation:
            return  # Another process of the product starts at the same time.

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
from infinibay.bootstrap.installations import installation_keeper
from infinibay.bootstrap.isos import iso_parts
from infinibay.bootstrap.machines import MachineParts, machine_parts
from infinibay.bootstrap.services import Live, build_services
from infinibay.db.live import LivePump, new_feed
from infinibay.events.stays import Stays
from infinibay.operations.api import FaultPoints
from infinibay.operations.engine import OperationEngine
from infinibay.services.accounts import AccountService
from infinibay.services.container import Services
from infinibay.services.first_applications import lay_first_applications
from infinibay.services.first_start import lay_first_things
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
        live = await _live(base, stack)
        _watch_loop(stack)
        parts, media = machine_parts(base), iso_parts(settings, base.database)
        engine = _engine(base, parts, live, role, faults)
        await engine.start()
        stack.push_async_callback(engine.stop)
        if role != "api":
            worker = HostWorker(base.database, engine, parts.keeper, base.host.id)
            await worker.start()
            stack.push_async_callback(worker.stop)
            installations = installation_keeper(base, parts, engine)
            installations.start()
            stack.push_async_callback(installations.stop)
            media.keeper.start()
            stack.push_async_callback(media.keeper.stop)
        yield Product(
            settings=settings,
            services=build_services(base, parts, media, engine, live, passwords),
            readiness=Readiness(base.database, base.hypervisor, base.host.id),
        )


async def _live(base: Foundation, stack: AsyncExitStack) -> Live:
    """What is new in the database, as long as the stack is open."""
    live = Live(new_feed(), Stays())
    pump = LivePump(base.database, base.database_url, live.feed, live.stays)
    await pump.start()
    stack.push_async_callback(pump.stop)
    return live


def _watch_loop(stack: AsyncExitStack) -> None:
    watcher = asyncio.create_task(metrics.watch_loop(), name="loop-watcher")

    async def stop() -> None:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    stack.push_async_callback(stop)


def _engine(
    base: Foundation, parts: MachineParts, live: Live, role: Role, faults: FaultPoints | None
) -> OperationEngine:
    settings = base.settings
    return OperationEngine(
        parts.kinds,
        base.database,
        base.database_url,
        live.feed,
        host_id=base.host.id,
        budgets={
            "media": settings.infinibay_media_budget,
            # Apart, as a copy may take minutes, in which other machines want their media.
            "copy": settings.infinibay_media_budget,
            "start": settings.infinibay_start_budget,
        },
        role=role,
        retention_days=settings.infinibay_operation_days,
        faults=faults,
    )


async def _first_start(base: Foundation, passwords: Passwords) -> None:
    """The first administrator, the department that machines belong to by default, and the first templates and
    applications."""
    settings = base.settings
    accounts = AccountService(base.database, passwords, settings.first_admin_file)
    terminal = sys.stderr if sys.stderr.isatty() else None
    await accounts.ensure_first_admin(settings.default_admin_email, settings.default_admin_password, terminal)
    await lay_first_things(base.database)
    await lay_first_applications(base.database)

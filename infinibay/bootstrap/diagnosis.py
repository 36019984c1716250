"""The doctor of a server, and that of a host whose server may be stopped, or may not be able to start."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from infinibay.bootstrap.foundation import connected
from infinibay.db.client import Database
from infinibay.db.embedded import EmbeddedPostgres
from infinibay.host.facts import HostFacts, is_root
from infinibay.services.doctor import Doctor, HostCheck
from infinibay.services.doctor.database import DatabaseChecks, DatabaseSource
from infinibay.services.doctor.hypervisor import HypervisorChecks
from infinibay.services.doctor.this_host import AS_ROOT, ThisHost
from infinibay.settings import Settings, default_env_file
from infinibay.virt.api import Hypervisor
from infinibay.virt.hypervisor import LibvirtHypervisor


async def diagnose(settings: Settings) -> list[HostCheck]:
    """All checks; an embedded database that does not run is started for a moment, one that is not there is not made."""
    hypervisor = LibvirtHypervisor(settings.libvirt_uri, settings.run_dir)
    await hypervisor.open()
    try:
        return await _doctor(settings, hypervisor, _Apart(settings)).report()
    finally:
        await hypervisor.close()


def serving_doctor(settings: Settings, hypervisor: Hypervisor, database_url: str, database: Database) -> Doctor:
    """Asks with what a server has open."""
    return _doctor(settings, hypervisor, _Serving(settings, database_url, database))


def _doctor(settings: Settings, hypervisor: Hypervisor, source: DatabaseSource) -> Doctor:
    facts = HostFacts()
    return Doctor(
        ThisHost(settings, facts, default_env_file()),
        DatabaseChecks(source, settings.host_id_file),
        HypervisorChecks(settings, hypervisor, facts),
    )


@dataclass(frozen=True)
class _Apart:
    """The database as any process finds it."""

    settings: Settings
    serving = False

    @property
    def place(self) -> str:
        return _place(self.settings)

    @property
    def remedy(self) -> str:
        return _remedy(self.settings)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str | None]:
        if self.settings.database_url or not self.settings.database_dir.exists():
            yield self.settings.database_url
            return
        postgres = EmbeddedPostgres.of(self.settings)
        url = await postgres.start()
        try:
            yield url
        finally:
            await postgres.stop()

    def client(self, url: str) -> AbstractAsyncContextManager[Database]:
        return connected(self.settings, url)


@dataclass(frozen=True)
class _Serving:
    """The database that a server has open."""

    settings: Settings
    url: str
    database: Database
    serving = True

    @property
    def place(self) -> str:
        return _place(self.settings)

    @property
    def remedy(self) -> str:
        return _remedy(self.settings)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str | None]:
        yield self.url

    @asynccontextmanager
    async def client(self, _url: str) -> AsyncIterator[Database]:
        yield self.database


def _place(settings: Settings) -> str:
    """Where the database is, without name and password of its account."""
    if settings.database_url is None:
        return f"embedded in {settings.database_dir}"
    parts = urlsplit(settings.database_url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


def _remedy(settings: Settings) -> str:
    """What to do when it does not answer."""
    if settings.database_url is not None:
        return f"Start PostgreSQL so that it answers at {_place(settings)}, or mend DATABASE_URL"
    if not is_root():
        return AS_ROOT
    return f"tail -n 30 {shlex.quote(str(settings.run_dir / 'postgres.log'))}"

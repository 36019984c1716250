"""The checks of the database and of what needs it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from infinibay.db import hosts, machines
from infinibay.db.client import Database
from infinibay.db.inspection import inspect
from infinibay.db.migrate import pending
from infinibay.errors import InfinibayError, Unavailable
from infinibay.host.identity import kept_id
from infinibay.services.doctor.checks import CheckState, HostCheck, asked, failed, ok, unknown, warning
from infinibay.services.doctor.this_host import SET_CLOCK
from infinibay.services.readiness import worker_seen

_SECONDS = 15
_START_SECONDS = 75
_CLOCK_SECONDS = 2
_WORK = "scripts/start --role worker"
_MB = 1024**2


class DatabaseSource(Protocol):
    """How the doctor comes to the database. `place` names it without a secret, `remedy` mends its silence."""

    @property
    def place(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def serving(self) -> bool:
        """Whether a server asks, which can do little without a worker."""

    def opened(self) -> AbstractAsyncContextManager[str | None]:
        """The URL of the running database; None when it is yet to be made. Raises InfinibayError."""

    def client(self, url: str) -> AbstractAsyncContextManager[Database]:
        """The client with its query engine. Raises InfinibayError."""


@dataclass(frozen=True)
class DatabaseReport:
    """The checks, and the ids of our domains where they could be asked for."""

    checks: list[HostCheck]
    domain_ids: frozenset[str] | None = None


class DatabaseChecks:
    """Asks the database directly, then through the query engine; writes nothing."""

    def __init__(self, source: DatabaseSource, host_id_file: Path) -> None:
        self._source = source
        self._host_id_file = host_id_file

    async def report(self) -> DatabaseReport:
        """Works with the database, the engine or both down."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(_START_SECONDS):
                    url = await stack.enter_async_context(self._source.opened())
            except (InfinibayError, OSError) as error:
                remedy = error.remedy if isinstance(error, InfinibayError) else None
                evidence = str(error) or f"no answer within {_START_SECONDS} s"
                found = failed("database", evidence, remedy or self._source.remedy)
                return _without(found, "migrations", "query engine", "worker")
            if url is None:
                return self._not_made()
            return await self._asked(url)

    def _not_made(self) -> DatabaseReport:
        """Nothing is wrong with a database that the first start will make; what needs it can't be tried."""
        made = replace(ok("database", f"is made with the first start, {self._source.place}"), remedy="scripts/start")
        rest = _without(made, "migrations", "query engine", "worker")
        return DatabaseReport([replace(made, remedy=None), *rest.checks[1:]], frozenset())

    async def _asked(self, url: str) -> DatabaseReport:
        database = await asked("database", self._source.remedy, _SECONDS, lambda: self._server(url))
        if database.state is CheckState.FAILED:
            return _without(database, "migrations", "query engine", "worker")
        migrations = await asked("migrations", "scripts/start", _SECONDS, lambda: _migrations(url))
        async with AsyncExitStack() as stack:

            async def engine() -> HostCheck:
                client = await stack.enter_async_context(self._source.client(url))
                await client.ping()
                opened.append(client)
                return ok("query engine", "answers")

            opened: list[Database] = []
            answering = await asked("query engine", "scripts/prepare", _SECONDS, engine)
            if not opened:
                rest = _without(answering, "worker")
                return DatabaseReport([database, migrations, *rest.checks])
            worker = await asked("worker", _WORK, _SECONDS, lambda: self._worker(opened[0]))
            ids = await _domain_ids(opened[0])
        return DatabaseReport([database, migrations, answering, worker], ids)

    async def _server(self, url: str) -> HostCheck:
        found = await inspect(url)
        evidence = f"PostgreSQL {found.version}, {found.size / _MB:.0f} MB, {self._source.place}"
        if abs(found.clock_ahead) > _CLOCK_SECONDS:
            ahead = f"{evidence}; its clock differs from this host's by {found.clock_ahead:+.0f} s"
            return warning("database", ahead, SET_CLOCK)
        return ok("database", evidence)

    async def _worker(self, database: Database) -> HostCheck:
        known = await asyncio.to_thread(kept_id, self._host_id_file)
        host = await hosts.find(database, known) if known else None
        try:
            return ok("worker", worker_seen(host))
        except Unavailable as error:
            state = CheckState.FAILED if self._source.serving else CheckState.WARNING
            return HostCheck("worker", state, error.message, _WORK)


async def _migrations(url: str) -> HostCheck:
    missing = await pending(url)
    if missing:
        return warning("migrations", f"{len(missing)} are applied with the next start", "scripts/start")
    return ok("migrations", "all are applied")


async def _domain_ids(database: Database) -> frozenset[str] | None:
    try:
        async with asyncio.timeout(_SECONDS):
            return await machines.domain_ids(database)
    except (InfinibayError, TimeoutError):
        return None  # Whoever needs them says that they are not known.


def _without(cause: HostCheck, *names: str) -> DatabaseReport:
    return DatabaseReport([cause, *(unknown(name, cause) for name in names)])

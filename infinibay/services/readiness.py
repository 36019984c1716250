"""Whether the product can work: database, hypervisor and worker, each with the reason when not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from infinibay.db import hosts, rows
from infinibay.db.client import Database
from infinibay.errors import InfinibayError, Unavailable
from infinibay.virt.api import Hypervisor

HEARTBEAT_SECONDS = 3.0
_WORKER_LATE = timedelta(seconds=15)
_PROBE_SECONDS = 5


class Readiness:
    """Asks the parts; each probe returns its evidence or raises."""

    def __init__(self, database: Database, hypervisor: Hypervisor, host_id: str) -> None:
        self._database = database
        self._hypervisor = hypervisor
        self._host_id = host_id

    def probes(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """The parts by name."""
        return {"database": self._probe_database, "hypervisor": self._probe_hypervisor, "worker": self._probe_worker}

    async def report(self) -> dict[str, str | None]:
        """Each part's reason for not working; None where it works."""
        probes = self.probes()
        reasons = await asyncio.gather(*(_reason(probe) for probe in probes.values()))
        return dict(zip(probes, reasons, strict=True))

    async def _probe_database(self) -> str:
        await self._database.ping()
        return "answers"

    async def _probe_hypervisor(self) -> str:
        await self._hypervisor.ping()
        return "answers"

    async def _probe_worker(self) -> str:
        return worker_seen(await hosts.find(self._database, self._host_id))


def worker_seen(host: rows.Host | None) -> str:
    """When this host's worker gave its last sign of life. Raises Unavailable when that is too long ago."""
    if host is None or host.workerSeenAt is None:
        raise Unavailable("No worker has run on this host yet")
    age = datetime.now(UTC) - host.workerSeenAt
    if age > _WORKER_LATE:
        raise Unavailable(f"The worker was last seen {age.total_seconds():.0f} s ago")
    return f"seen {age.total_seconds():.0f} s ago"


async def _reason(probe: Callable[[], Awaitable[str]]) -> str | None:
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await probe()
    except InfinibayError as error:
        return error.message
    except TimeoutError:
        return f"no answer within {_PROBE_SECONDS} s"
    return None

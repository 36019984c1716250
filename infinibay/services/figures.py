"""The figures of this process and of the database, for Prometheus."""

from __future__ import annotations

import asyncio
import hmac

from infinibay import metrics
from infinibay.db import figures
from infinibay.db.client import Database
from infinibay.errors import InfinibayError
from infinibay.log import get_logger

log = get_logger(__name__)
_DATABASE_SECONDS = 5


class FiguresService:
    """Whoever scrapes shows the token of `<base>/metrics-token`; no user's token opens the figures."""

    def __init__(self, database: Database, token: str) -> None:
        self._database = database
        self._token = token.encode()

    def admits(self, token: str | None) -> bool:
        """Whether this is the token; takes the same time for any other."""
        return hmac.compare_digest((token or "").encode(), self._token)

    async def text(self) -> bytes:
        """All figures in Prometheus' text format. While the database is away its part is left out."""
        try:
            async with asyncio.timeout(_DATABASE_SECONDS):
                found = await figures.operations(self._database)
                engine = await figures.engine(self._database)
        except (InfinibayError, TimeoutError) as error:
            log.warning("figures.database_left_out", reason=str(error) or "it does not answer in time")
            return await _shown([_database_up(0)])
        return await _shown([_database_up(1), *_families(found)]) + engine.encode()


async def _shown(families: list[metrics.Family]) -> bytes:
    # The figures of the process are read from files of the kernel, and a thousand lines are written.
    return await asyncio.to_thread(metrics.exposition, families)


def _database_up(number: int) -> metrics.Family:
    return metrics.gauge("infinibay_database_up", "1 when the database answered this scrape", (), {(): number})


def _families(found: figures.OperationFigures) -> list[metrics.Family]:
    return [
        metrics.gauge(
            "infinibay_operations_open",
            "Operations of all hosts that have not ended, by state",
            ("state",),
            {(state.lower(),): number for state, number in found.depth.items()},
        ),
        metrics.gauge(
            "infinibay_operations_oldest_seconds",
            "Age of the oldest operation in a state: since it was asked for, or since its first step",
            ("state",),
            {(state.lower(),): seconds for state, seconds in found.oldest.items()},
        ),
        metrics.gauge(
            "infinibay_operations_ended_last_hour",
            "Operations of all hosts that ended within the last hour",
            ("kind", "outcome"),
            {(kind, state.lower()): number for (kind, state), number in found.ended.items()},
        ),
    ]

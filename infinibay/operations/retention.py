"""Deleting what is older than it is kept."""

from __future__ import annotations

import asyncio

from infinibay.db import audit, events
from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.errors import Unavailable
from infinibay.log import get_logger
from infinibay.operations.durable import DurableQueue

log = get_logger(__name__)
_FIRST_SECONDS = 30.0
_DAY_SECONDS = 86_400.0
_AT_ONCE = 500
_AUDIT_DAYS = 365


async def purge(database: Database, queue: DurableQueue, days: int) -> int:
    """Deletes operations (with the durable engine's records) that ended and events that happened more than `days` ago,
    audit entries older than that and a year, idempotency keys older than a day and secrets whose time is over. Returns
    how many operations went."""
    gone = 0
    while outdated := await queries.outdated(database, days, _AT_ONCE):
        # The row goes last: after a death in between it is found again, which the engine's records would not be.
        await queue.forget(outdated)
        await queries.delete(database, outdated)
        gone += len(outdated)
    await events.purge(database, days)
    await audit.purge(database, max(days, _AUDIT_DAYS))
    await queries.purge_keys_and_secrets(database)
    return gone


async def keep_tidy(database: Database, queue: DurableQueue, days: int) -> None:
    """Purges shortly after the start and then daily, until cancelled."""
    await asyncio.sleep(_FIRST_SECONDS)
    while True:
        try:
            log.info("operation.purged", operations=await purge(database, queue, days))
        except Unavailable as error:
            log.warning("operation.purge_failed", error=error.message)
        except Exception:
            # Tomorrow it may succeed, and until then nothing but space is lost.
            log.exception("operation.purge_failed")
        await asyncio.sleep(_DAY_SECONDS)

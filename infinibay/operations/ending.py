"""The end of an operation: recorded, counted and logged."""

from __future__ import annotations

from infinibay import metrics
from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.log import get_logger

log = get_logger(__name__)


async def finish(database: Database, operation_id: str, kind: str) -> bool:
    """Ends it by what its row says. False when it had ended. `kind` is one that this server knows."""
    ending = await queries.finish(database, operation_id)
    if ending is None:
        return False
    outcome = ending.state.lower()
    metrics.OPERATION_SECONDS.labels(kind, outcome).observe(ending.seconds)
    log.info("operation.ended", kind=kind, outcome=outcome, seconds=ending.seconds)
    return True

"""What people last asked of a machine's power, which tells why its guest is off and since when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from infinibay.db import operations, rows
from infinibay.db.client import Database

_STARTS = frozenset({"create", "power_on", "restart", "reboot", "reset", "resume"})
_STOPS = frozenset({"power_off", "force_power_off"})
# The machine is off by then.
_STOPPED_BEFORE = {"restart": ("prepare", "start")}


@dataclass(frozen=True)
class LastAsked:
    """`stopped`: the machine is to be off. `starting`: somebody wants it to run in a moment. `started_at`: when it was
    last made to run."""

    stopped: bool = False
    starting: bool = False
    started_at: datetime | None = None


async def last_asked(db: Database, machine_id: str) -> LastAsked:
    """By the newest verb that was not in vain."""
    newest = await operations.latest_effective(db, machine_id, _STARTS | _STOPS, although_failed=_STOPPED_BEFORE)
    return LastAsked() if newest is None else _meaning(newest)


def _meaning(verb: rows.Operation) -> LastAsked:
    if verb.kind in _STOPS or verb.failureCode is not None:
        return LastAsked(stopped=True)
    return LastAsked(starting=verb.endedAt is None, started_at=verb.endedAt)

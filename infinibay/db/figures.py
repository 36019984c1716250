"""What is counted in the database for whoever watches the product."""

from __future__ import annotations

from dataclasses import dataclass

from infinibay.db.client import Database

_HOUR_SECONDS = 3600
# One scan of an index each for what has not ended and for what ended lately.
_OPERATIONS = """
SELECT NULL AS kind, state::text AS state, count(*)::int AS number,
       extract(epoch FROM max(clock_timestamp() - coalesce(started_at, created_at)))::float8 AS oldest
  FROM operations WHERE state IN ('QUEUED', 'RUNNING', 'CANCELLING') GROUP BY state
UNION ALL
SELECT kind, state::text, count(*)::int, NULL
  FROM operations WHERE ended_at > now() - make_interval(secs => $1::int) GROUP BY kind, state
"""
_OPEN_STATES = ("QUEUED", "RUNNING", "CANCELLING")


@dataclass(frozen=True)
class OperationFigures:
    """Operations that have not ended by state: how many, and the age of the oldest in seconds (since its start, or
    since it was asked for while it waits). Those that ended within the last hour by kind and state."""

    depth: dict[str, int]
    oldest: dict[str, float]
    ended: dict[tuple[str, str], int]


async def operations(db: Database) -> OperationFigures:
    """Of all hosts, by one statement."""
    found = await db.query_raw(_OPERATIONS, _HOUR_SECONDS)
    waiting = {row["state"]: row for row in found if row["kind"] is None}
    return OperationFigures(
        depth={state: waiting[state]["number"] if state in waiting else 0 for state in _OPEN_STATES},
        oldest={state: float(waiting[state]["oldest"]) if state in waiting else 0.0 for state in _OPEN_STATES},
        ended={(row["kind"], row["state"]): row["number"] for row in found if row["kind"] is not None},
    )


async def engine(db: Database) -> str:
    """The query engine's and its pool's own counters, in Prometheus' text format."""
    text: str = await db.get_metrics("prometheus")
    return text

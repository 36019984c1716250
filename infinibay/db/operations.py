"""Queries on operations. Each change of an operation and the event that tells of it are one SQL statement."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prisma import Json, types

from infinibay.db import rows
from infinibay.db.client import Database

EVENT_KIND = "operation.updated"

# The owner of a machine that this operation removed is taken from its earlier event.
_TELL = """
INSERT INTO events (kind, machine_id, operation_id, owner_id, actor_id, data)
SELECT 'operation.updated', o.machine_id, o.id,
       CASE WHEN EXISTS (SELECT 1 FROM machines m WHERE m.id = o.machine_id)
            THEN (SELECT m.user_id FROM machines m WHERE m.id = o.machine_id)
            ELSE (SELECT e.owner_id FROM events e WHERE e.operation_id = o.id ORDER BY e.seq DESC LIMIT 1) END,
       o.requested_by_id,
       jsonb_build_object(
         'kind', o.kind, 'state', o.state, 'step', o.step, 'stepNumber', o.step_number, 'steps', o.steps,
         'percent', o.percent, 'departmentId', o.department_id,
         'elapsed', round(extract(epoch FROM coalesce(o.ended_at, clock_timestamp()) - o.started_at)::numeric, 1),
         'failure', CASE WHEN o.failure_code IS NULL THEN NULL ELSE jsonb_build_object(
            'step', o.failure_step, 'code', o.failure_code, 'message', o.failure_message, 'remedy', o.failure_remedy)
         END)
"""


def _told(assignments: str, condition: str) -> str:
    # Only constants of this module meet here; values travel as parameters.
    return (
        f"WITH o AS (UPDATE operations SET {assignments}"  # noqa: S608
        f" WHERE id = $1::uuid AND ended_at IS NULL AND {condition} RETURNING *) {_TELL} FROM o"
    )


_CREATED = f"{_TELL} FROM operations o WHERE o.id = $1::uuid"
_START_STEP = _told(
    "state = 'RUNNING', step = $2::text, step_number = $3::int, percent = NULL,"
    " started_at = coalesce(started_at, clock_timestamp())",
    "NOT cancel_requested AND failure_code IS NULL",
)
_PROGRESS = _told("percent = $2::int", "percent IS DISTINCT FROM $2::int")
_FAIL = _told(
    'state = $2::text::"OperationState", failure_step = $3::text, failure_code = $4::text,'
    " failure_message = $5::text, failure_remedy = $6::text, started_at = coalesce(started_at, clock_timestamp())",
    "failure_code IS NULL",
)
_CANCEL = _told(
    "cancel_requested = true, state = CASE WHEN failure_code IS NULL THEN 'CANCELLING' ELSE state END",
    "NOT cancel_requested",
)
_FINISH = (
    _told(
        "state = CASE WHEN failure_code IS NULL THEN 'SUCCEEDED' WHEN state = 'CANCELLING' THEN 'CANCELLED'"
        " ELSE 'FAILED' END::\"OperationState\", ended_at = clock_timestamp(),"
        " percent = CASE WHEN failure_code IS NULL THEN 100 ELSE percent END,"
        " started_at = coalesce(started_at, clock_timestamp())",
        "true",
    )
    + " RETURNING data->>'state' AS state, data->>'elapsed' AS elapsed"
)


# By the index on (machine_id, created_at), one look for each machine.
_NEWEST = """
SELECT o.id::text AS id FROM unnest($1::uuid[]) AS wanted (machine_id) CROSS JOIN LATERAL (
  SELECT id FROM operations WHERE machine_id = wanted.machine_id AND (failure_code IS NOT NULL OR NOT $2::boolean)
  ORDER BY created_at DESC, id DESC LIMIT 1) o
"""


# Its events know whose the machine was meanwhile; they are found by the indices on their owner or operation.
_CONCERNS = (
    "(o.requested_by_id = $1::uuid"
    " OR EXISTS (SELECT 1 FROM events e WHERE e.operation_id = o.id AND e.owner_id = $1::uuid))"
)
_CONCERNS_USER = f"SELECT 1 AS found FROM operations o WHERE o.id = $2::uuid AND {_CONCERNS}"  # noqa: S608 - constants
_PAGE = f"""
SELECT o.id::text AS id FROM operations o
WHERE ($1::uuid IS NULL OR {_CONCERNS})
  AND ($2::uuid IS NULL OR o.machine_id = $2::uuid)
  AND ($3::text IS NULL OR o.state = $3::text::"OperationState")
  AND ($4::text IS NULL OR o.kind = $4::text)
  AND ($5::text IS NULL OR (o.created_at, o.id) < ($5::text::timestamptz, $6::uuid))
ORDER BY o.created_at DESC, o.id DESC LIMIT $7::int
"""  # noqa: S608 - constants


# What has not ended of the machine (or else department, or else host) that $1 concerns.
_BESIDE = """
SELECT e.id::text AS id, e.kind FROM operations o JOIN operations e ON e.host_id = o.host_id AND e.ended_at IS NULL
  AND (e.machine_id = o.machine_id OR o.machine_id IS NULL AND e.machine_id IS NULL
       AND e.department_id IS NOT DISTINCT FROM o.department_id)
WHERE o.id = $1::uuid"""
_BEFORE = f"{_BESIDE} AND (e.created_at, e.id) < (o.created_at, o.id) LIMIT 1"
_NOT_ENQUEUED = f"""
{_BESIDE} AND (e.created_at, e.id) <= (o.created_at, o.id) AND e.enqueued_at IS NULL ORDER BY e.created_at, e.id"""


@dataclass(frozen=True)
class Ending:
    """How an operation ended, and the seconds since it had entered its first step."""

    state: str
    seconds: float


async def create(
    tx: Database,
    *,
    kind: str,
    host_id: str,
    machine_id: str | None,
    department_id: str | None,
    requested_by_id: str | None,
    input: Mapping[str, Any],
    steps: int,
    arrived_at: datetime,
) -> rows.Operation:
    """Writes a queued operation with its first event; `arrived_at` is what `lock_queue` said."""
    row = await tx.operation.create(
        data={
            "kind": kind,
            "hostId": host_id,
            "machineId": machine_id,
            "departmentId": department_id,
            "requestedById": requested_by_id,
            "input": Json(dict(input)),
            "steps": steps,
            "createdAt": arrived_at,
        }
    )
    await tx.execute_raw(_CREATED, row.id)
    return row


async def find(db: Database, operation_id: str) -> rows.Operation | None:
    return await db.operation.find_unique(where={"id": operation_id})


async def lock_queue(tx: Database, key: str) -> datetime:
    """Until the transaction ends, nobody else decides about the operations of this machine or department.

    Returns the moment, by the database's clock. It gives the order of arrival, which the starts of transactions do not.
    """
    found = await tx.query_raw(
        "SELECT clock_timestamp() AS moment FROM pg_advisory_xact_lock(hashtextextended($1::text, 7270736902))", key
    )
    return datetime.fromisoformat(found[0]["moment"])


async def lock(tx: Database, operation_ids: Sequence[str]) -> None:
    """Until the transaction ends, nobody else changes these operations.

    Everybody locks rows first and then writes events, which are numbered under one lock: else two could wait for each
    other.
    """
    await tx.query_raw(
        "SELECT 1 FROM operations WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", list(operation_ids)
    )


async def active(tx: Database, *, machine_id: str | None, department_id: str | None) -> list[rows.Operation]:
    """What has not ended of a machine, or of a department itself, in the order of arrival."""
    return await tx.operation.find_many(
        where={"machineId": machine_id, "departmentId": department_id, "endedAt": None}
        if machine_id is None
        else {"machineId": machine_id, "endedAt": None},
        order=[{"createdAt": "asc"}, {"id": "asc"}],
    )


async def latest(db: Database, machine_id: str, kind: str | None = None) -> rows.Operation | None:
    """The newest operation of a machine, if wanted of one kind."""
    where: types.OperationWhereInput = {"machineId": machine_id}
    if kind is not None:
        where["kind"] = kind
    return await db.operation.find_first(where=where, order=[{"createdAt": "desc"}, {"id": "desc"}])


async def latest_effective(
    db: Database, machine_id: str, kinds: Collection[str], *, although_failed: Mapping[str, Collection[str]]
) -> rows.Operation | None:
    """The newest operation of these kinds that has not failed, or has failed in one of these steps of its kind."""
    effective: list[types.OperationWhereInput] = [{"kind": {"in": list(kinds)}, "failureCode": None}]
    for kind, steps in although_failed.items():
        effective.append({"kind": kind, "failureStep": {"in": list(steps)}})
    return await db.operation.find_first(
        where={"machineId": machine_id, "OR": effective}, order=[{"createdAt": "desc"}, {"id": "desc"}]
    )


async def latest_of(db: Database, machine_ids: Sequence[str]) -> dict[str, rows.Operation]:
    """The newest operation of each machine that has one."""
    return await _newest(db, machine_ids, failed=False)


async def latest_failed_of(db: Database, machine_ids: Sequence[str]) -> dict[str, rows.Operation]:
    """The newest failed or cancelled operation of each machine that has one."""
    return await _newest(db, machine_ids, failed=True)


async def _newest(db: Database, machine_ids: Sequence[str], *, failed: bool) -> dict[str, rows.Operation]:
    # Prisma's own `distinct` would read every operation of these machines and choose among them afterwards.
    newest = await db.query_raw(_NEWEST, list(machine_ids), failed)
    found = await db.operation.find_many(where={"id": {"in": [row["id"] for row in newest]}})
    return {row.machineId: row for row in found if row.machineId is not None}


async def concerns(db: Database, operation_id: str, user_id: str) -> bool:
    """Whether the user asked for it, or owned its machine while it was under way."""
    return bool(await db.query_raw(_CONCERNS_USER, user_id, operation_id))


async def page(
    db: Database,
    *,
    user_id: str | None,
    machine_id: str | None,
    state: rows.OperationState | None,
    kind: str | None,
    first: int,
    after: tuple[datetime, str] | None,
) -> list[rows.Operation]:
    """Up to `first` operations, newest first, that follow the cursor; those that concern a user, or all (None)."""
    at, operation_id = after or (None, None)
    moment = at.isoformat() if at else None
    listed = await db.query_raw(_PAGE, user_id, machine_id, state and state.value, kind, moment, operation_id, first)
    return await db.operation.find_many(
        where={"id": {"in": [row["id"] for row in listed]}}, order=[{"createdAt": "desc"}, {"id": "desc"}]
    )


async def not_enqueued(db: Database, host_id: str) -> list[rows.Operation]:
    """Committed operations of a host that no queue has heard of, oldest first."""
    return await db.operation.find_many(
        where={"enqueuedAt": None, "endedAt": None, "hostId": host_id}, order=[{"createdAt": "asc"}, {"id": "asc"}]
    )


async def not_enqueued_until(db: Database, operation_id: str) -> dict[str, str]:
    """The ids, with the kinds, of those of the same machine (or else department, or else host), up to this one, that no
    queue has heard of, oldest first."""
    return {found["id"]: found["kind"] for found in await db.query_raw(_NOT_ENQUEUED, operation_id)}


async def unfinished(db: Database, host_id: str) -> list[rows.Operation]:
    """What a host's queue has heard of and has not ended, oldest first."""
    return await db.operation.find_many(
        where={"hostId": host_id, "endedAt": None, "NOT": [{"enqueuedAt": None}]},
        order=[{"createdAt": "asc"}, {"id": "asc"}],
    )


async def is_behind(db: Database, operation_id: str) -> bool:
    """Whether an earlier operation of the same machine (or else department, or else host) has not ended."""
    return bool(await db.query_raw(_BEFORE, operation_id))


async def set_enqueued(db: Database, operation_id: str, *, enqueued: bool = True) -> None:
    """Notes that the queue has heard of it, or that it has to hear of it again."""
    await db.execute_raw(
        "UPDATE operations SET enqueued_at = CASE WHEN $2::boolean THEN clock_timestamp() END WHERE id = $1::uuid",
        operation_id,
        enqueued,
    )


async def start_step(db: Database, operation_id: str, name: str, number: int) -> bool:
    """Enters step `number` (from 1). False: somebody cancelled, or it failed or ended before; then nothing changed."""
    return await db.execute_raw(_START_STEP, operation_id, name, number) == 1


async def set_progress(db: Database, operation_id: str, percent: int) -> None:
    await db.execute_raw(_PROGRESS, operation_id, percent)


async def fail(
    db: Database, operation_id: str, *, step: str | None, code: str, message: str, remedy: str | None, cancelled: bool
) -> None:
    """Records why it does not go on; the first reason stays."""
    state = rows.OperationState.CANCELLING if cancelled else rows.OperationState.RUNNING
    await db.execute_raw(_FAIL, operation_id, state.value, step, code, message, remedy)


async def request_cancel(db: Database, operation_id: str) -> bool:
    """Asks for its end. False when it has ended or was asked before."""
    return await db.execute_raw(_CANCEL, operation_id) == 1


async def finish(db: Database, operation_id: str) -> Ending | None:
    """Ends it: SUCCEEDED without a failure, otherwise CANCELLED or FAILED. None when it had ended."""
    told = await db.query_raw(_FINISH, operation_id)
    return Ending(told[0]["state"], float(told[0]["elapsed"])) if told else None


async def reached(db: Database, operation_id: str) -> int:
    """The highest step (from 1) that it ever entered, 0 when none; its events know, whoever began it anew since."""
    found = await db.query_raw(
        "SELECT coalesce(max((data->>'stepNumber')::int), 0)::int AS number FROM events WHERE operation_id = $1::uuid",
        operation_id,
    )
    return int(found[0]["number"])


async def merge_result(db: Database, operation_id: str, result: Mapping[str, Any]) -> None:
    await db.execute_raw(
        "UPDATE operations SET result = result || $2::jsonb WHERE id = $1::uuid", operation_id, Json(dict(result))
    )


async def append_log(db: Database, operation_id: str, line: str) -> None:
    await db.execute_raw(
        "UPDATE operations SET log = array_append(log, $2::text) WHERE id = $1::uuid", operation_id, line
    )


async def add_to_failure(db: Database, operation_id: str, sentence: str) -> None:
    """Adds a sentence to the failure's message, once."""
    await db.execute_raw(
        "UPDATE operations SET failure_message = failure_message || ' ' || $2::text"
        " WHERE id = $1::uuid AND position($2::text IN failure_message) = 0",
        operation_id,
        sentence,
    )


async def outdated(db: Database, days: int, limit: int) -> list[str]:
    """Up to `limit` ids of what ended more than `days` ago. The failure that a failed machine shows is none of them."""
    found = await db.query_raw(
        "SELECT o.id::text AS id FROM operations o WHERE o.ended_at < now() - make_interval(days => $1::int)"
        " AND NOT EXISTS (SELECT 1 FROM machines m WHERE m.id = o.machine_id AND m.status = 'failed'"
        " AND o.failure_code IS NOT NULL) ORDER BY o.ended_at LIMIT $2::int",
        days,
        limit,
    )
    return [row["id"] for row in found]


async def delete(db: Database, operation_ids: Sequence[str]) -> None:
    await db.operation.delete_many(where={"id": {"in": list(operation_ids)}})


async def purge_keys_and_secrets(db: Database) -> None:
    """Deletes idempotency keys older than a day and secrets whose time is over."""
    await db.execute_raw("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'")
    await db.execute_raw("DELETE FROM secrets WHERE expires_at < now()")

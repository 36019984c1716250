"""Queries on installations: what becomes of a machine's system from its medium to its first boot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

from infinibay.db import events, machines, rows
from infinibay.db.client import Database

EVENT_KIND = "machine.installation"

# A report that comes twice, and one that contradicts an earlier one, change nothing.
_TASK = """
INSERT INTO installation_tasks (machine_id, kind, task_id, status) VALUES ($1::uuid, $2, $3, $4::int)
ON CONFLICT DO NOTHING
"""


async def find(db: Database, machine_id: str) -> rows.Installation | None:
    return await db.installation.find_unique(where={"machineId": machine_id})


async def with_tasks(db: Database, machine_id: str) -> rows.Installation | None:
    """With what the first boot told."""
    return await db.installation.find_unique(
        where={"machineId": machine_id}, include={"tasks": {"order_by": [{"at": "asc"}, {"taskId": "asc"}]}}
    )


async def of_machines(db: Database, machine_ids: Sequence[str]) -> dict[str, rows.Installation]:
    """The installations of these machines, by machine."""
    found = await db.installation.find_many(
        where={"machineId": {"in": list(machine_ids)}},
        include={"tasks": {"order_by": [{"at": "asc"}, {"taskId": "asc"}]}},
    )
    return {row.machineId: row for row in found}


async def under_way(db: Database, host_id: str) -> dict[str, str]:
    """The machines of a host whose installers run, whose first boot is awaited, or whose installation failed and has
    its media still; with a word that changes with each phase."""
    found = await db.query_raw(
        """
        SELECT i.machine_id::text AS id, concat_ws(' ', i.state, i.phase) AS phase
        FROM installations i JOIN machines m ON m.id = i.machine_id
        LEFT JOIN machine_configurations c ON c.machine_id = m.id
        WHERE m.host_id = $1::uuid AND (i.state = 'installing' OR (i.state = 'failed' AND i.mode <> 'manual'
          AND c.iso_path IS NOT NULL AND m.status NOT IN ('building', 'failed')))
        """,
        host_id,
    )
    return {str(row["id"]): str(row["phase"]) for row in found}


async def keep_media(
    db: Database,
    machine_id: str,
    *,
    medium: str,
    drive_path: str | None,
    kernel_arguments: Collection[str],
    token_hash: str | None,
) -> None:
    """What the media of a machine were made from, and how its installer is booted."""
    await db.installation.update(
        where={"machineId": machine_id},
        data={
            "medium": medium,
            "drivePath": drive_path,
            "kernelArguments": {"set": list(kernel_arguments)},
            "tokenHash": token_hash,
        },
    )


async def machine_of_token(db: Database, token_hash: str) -> str | None:
    """The machine that is being installed and whose guest has this token."""
    found = await db.installation.find_first(
        where={"tokenHash": token_hash, "state": rows.InstallationState.installing}
    )
    return found.machineId if found else None


async def enter(
    tx: Database,
    machine_id: str,
    state: str,
    *,
    phase: str | None,
    reason: str | None = None,
    operation_id: str | None = None,
) -> bool:
    """Writes a new state with its event `machine.installation` {state, phase, reason}; false when it is there
    already or has ended before."""
    machine = await machines.lock(tx, machine_id)
    before = await tx.installation.find_unique(where={"machineId": machine_id})
    if machine is None or before is None or _is_over(before, state) or (before.state, before.phase) == (state, phase):
        return False
    await tx.execute_raw(
        """
        UPDATE installations SET state = $2::text::"InstallationState", phase = $3, reason = $4,
          phase_at = clock_timestamp(),
          started_at = CASE WHEN $2 = 'pending' THEN NULL ELSE coalesce(started_at, clock_timestamp()) END,
          ended_at = CASE WHEN $2 IN ('installed', 'failed') THEN clock_timestamp() END,
          token_hash = CASE WHEN $2 IN ('installed', 'failed') THEN NULL ELSE token_hash END
        WHERE machine_id = $1::uuid
        """,
        machine_id,
        state,
        phase,
        reason,
    )
    await _tell(tx, machine, {"state": state, "phase": phase, "reason": reason}, operation_id)
    return True


async def record_task(tx: Database, machine_id: str, kind: str, task_id: str, status: int) -> bool:
    """Keeps how a task of the first boot ended, with its event; false when it was known already."""
    machine = await machines.lock(tx, machine_id)
    if machine is None or not await tx.execute_raw(_TASK, machine_id, kind, task_id, status):
        return False
    await _tell(tx, machine, {"task": {"kind": kind, "id": task_id, "status": status}}, None)
    return True


async def _tell(tx: Database, machine: rows.Machine, data: dict[str, object], operation_id: str | None) -> None:
    await events.append(
        tx,
        kind=EVENT_KIND,
        data=data,
        machine_id=machine.id,
        operation_id=operation_id,
        owner_id=machine.userId,
    )


def _is_over(before: rows.Installation, state: str) -> bool:
    """One that ended stays as it ended, until a new creation begins it anew."""
    return cast("str", before.state) in {"installed", "failed"} and state != "pending"

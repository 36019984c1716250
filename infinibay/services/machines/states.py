"""The machines' states as a stream: what they are now, then each change."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infinibay.core.access import Principal, visible_owner
from infinibay.db import events, machine_states, rows
from infinibay.db.client import Database
from infinibay.errors import NotFound
from infinibay.events.feed import Feed
from infinibay.operations.context import stored
from infinibay.services.following import Interest, follow
from infinibay.services.machines.visible import visible_machine

_KINDS = frozenset(
    {"machine.created", "machine.status", "machine.updated", events.MACHINE_RELEASED, events.MACHINE_DESTROYED}
)


@dataclass(frozen=True)
class MachineState:
    """A machine's status since `at`; `seq` is the last event that it takes into account."""

    seq: int
    machine_id: str
    status: str
    previous: str | None
    reason: str | None
    at: datetime


class MachineStates:
    """A user sees own machines, administrators see all."""

    def __init__(self, database: Database, feed: Feed[rows.Event]) -> None:
        self._database = database
        self._feed = feed

    async def watch(self, principal: Principal, machine_id: str | None) -> AsyncGenerator[MachineState]:
        """The present state of one machine or of all, then every change. That of one machine ends when the machine is
        destroyed or given to somebody else. Raises NotFound for one that is absent or not the principal's."""
        if machine_id is not None and await visible_machine(self._database, principal, machine_id) is None:
            raise NotFound("Machine not found")
        return self._changes(visible_owner(principal), machine_id)

    async def _changes(self, owner_id: str | None, machine_id: str | None) -> AsyncGenerator[MachineState]:
        seq, present = await self._present(owner_id, machine_id)
        for state in present:
            yield state
        gained: dict[str, int] = {}
        async for event in follow(self._database, self._feed, Interest(owner_id, machine_id, _KINDS), seq):
            if event.seq <= gained.get(str(event.machineId), 0):
                continue  # The state that was shown when the machine came is later.
            if machine_id is not None and _takes_away(event, owner_id):
                return
            if owner_id is not None and machine_id is None and _brings(event, owner_id):
                gained[str(event.machineId)], came = await self._present(owner_id, event.machineId)
                for state in came:
                    yield state
            elif "status" in event.data:
                yield _changed(event, dict(event.data))

    async def _present(self, owner_id: str | None, machine_id: str | None) -> tuple[int, list[MachineState]]:
        seq, found = await stored(
            lambda: machine_states.present(self._database, owner_id=owner_id, machine_id=machine_id)
        )
        return seq, [MachineState(seq, one.machine_id, one.status, None, one.reason, one.at) for one in found]


def _takes_away(event: rows.Event, owner_id: str | None) -> bool:
    """Whether the machine is gone, or no longer the owner's who watches."""
    return event.kind == events.MACHINE_DESTROYED or (event.kind == events.MACHINE_RELEASED and owner_id is not None)


def _brings(event: rows.Event, owner_id: str) -> bool:
    return event.kind == "machine.updated" and dict(event.data).get("userId") == owner_id


def _changed(event: rows.Event, data: Mapping[str, Any]) -> MachineState:
    return MachineState(
        seq=event.seq,
        machine_id=str(event.machineId),
        status=data["status"],
        previous=data.get("previous"),
        reason=data.get("reason"),
        at=event.at,
    )

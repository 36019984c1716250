"""What the tests of streams do to machines and events, and how they follow them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.sockets import TRANSPORT, Socket, Stream, logged_in
from tests.support.whole import Whole

STATUS = "subscription ($id: ID) { machineStatus(machineId: $id) { seq machineId status previous reason at } }"
EVENTS = """
subscription ($id: ID, $after: BigInt) { machineEvents(machineId: $id, afterSeq: $after) { seq kind machineId data } }
"""
PROGRESS = "subscription ($id: ID!) { operationProgress(operationId: $id) { id state step percent endedAt } }"
ASSIGN = "mutation ($input: UpdateMachineUserInput!) { updateMachineUser(input: $input) { userId } }"


@dataclass
class Stage:
    """The product with `stranger`, `owner`, `admin` and the first administrator, `first`."""

    product: Whole
    database_url: str

    @asynccontextmanager
    async def socket(self, caller: str | None, protocol: str = TRANSPORT) -> AsyncIterator[Socket]:
        token = self.product.tokens[caller] if caller else None
        async with logged_in(self.product.url, token, protocol) as socket:
            yield socket

    async def machine(self, owner: str | None = "owner") -> str:
        """A new machine, whose creation has ended."""
        # Nothing happens to it by itself: no installer is waited for.
        machine: str = (await self.product.machine(mediaMode="MANUAL"))["id"]
        await self.give(machine, owner)
        return machine

    async def give(self, machine: str, owner: str | None) -> None:
        user_id = self.product.users[owner] if owner else None
        await self.product.ask(ASSIGN, {"input": {"id": machine, "userId": user_id}})

    async def status(self, machine: str, status: str) -> int:
        """Changes the status as a worker would; the number of the event."""
        await self.product.rows(
            'UPDATE machines SET status = %s::text::"MachineStatus" WHERE id = %s::uuid RETURNING 1', status, machine
        )
        return await self.tell("machine.status", machine, {"status": status, "previous": None, "reason": None})

    async def tell(self, kind: str, machine: str | None, data: Mapping[str, Any] | None = None, count: int = 1) -> int:
        """Writes events about a machine to its present owner; the number of the last."""
        found = await self.product.rows(
            "INSERT INTO events (kind, machine_id, owner_id, data)"
            " SELECT %s::text, m.id, m.user_id, %s::jsonb FROM generate_series(1, %s) n, machines m"
            " WHERE m.id = %s::uuid RETURNING seq",
            kind,
            _json(data or {}),
            count,
            machine,
        )
        return int(found[-1][0])

    async def cut_listeners(self) -> None:
        """Ends the connections that listen, as a failing network would."""
        await self.product.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'infinibay listen%%' AND datname = current_database() AND %s",
            True,
        )

    async def last(self) -> int:
        ((seq,),) = await self.product.rows("SELECT coalesce(max(seq), 0) FROM events")
        return int(seq)


def _json(data: Mapping[str, Any]) -> Any:
    from psycopg.types.json import Jsonb

    return Jsonb(dict(data))


async def events(stream: Stream, count: int) -> list[dict[str, Any]]:
    """The next events of a stream."""
    return [await stream.next() for _ in range(count)]

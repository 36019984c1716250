"""Kinds whose steps leave traces, and what a test reads afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from infinibay.db import rows
from infinibay.db.client import Database, EngineOptions
from infinibay.db.live import LivePump, new_feed
from infinibay.errors import OperationCancelled
from infinibay.events.feed import Feed
from infinibay.events.stays import Stays
from infinibay.operations.api import Failure, NewOperation, OperationKind, Step, StepContext


@asynccontextmanager
async def connected(database_url: str, run_dir: Path) -> AsyncIterator[Database]:
    database = Database(database_url, engine=EngineOptions(run_dir))
    await database.connect()
    try:
        yield database
    finally:
        await database.disconnect()


@asynccontextmanager
async def pumped(database: Database, database_url: str) -> AsyncIterator[Feed[rows.Event]]:
    """The events of a database as they come."""
    feed = new_feed()
    pump = LivePump(database, database_url, feed, Stays())
    await pump.start()
    try:
        yield feed
    finally:
        await pump.stop()


@dataclass
class Journal:
    """What steps, compensations and endings did, in order."""

    lines: list[str] = field(default_factory=list)
    endings: list[Failure | None] = field(default_factory=list)

    def step(
        self,
        name: str,
        *,
        error: Exception | None = None,
        undo_error: Exception | None = None,
        result: Mapping[str, Any] | None = None,
        budget: str | None = None,
    ) -> Step:
        """A step that writes its name and then raises `error`, if given; its compensation likewise."""

        async def run(_ctx: StepContext) -> Mapping[str, Any] | None:
            self.lines.append(name)
            if error is not None:
                raise error
            return result

        async def undo(_ctx: StepContext) -> None:
            self.lines.append(f"undo {name}")
            if undo_error is not None:
                raise undo_error

        return Step(name, run, undo, budget)

    async def ended(self, _ctx: StepContext, failure: Failure | None) -> None:
        self.lines.append("ended")
        self.endings.append(failure)

    def kind(self, *steps: Step, name: str = "work", exclusive: bool = False, preempts: bool = False) -> OperationKind:
        return OperationKind(name, steps, self.ended, exclusive, preempts)


class Gate:
    """A step that waits until it is opened, or its operation is cancelled."""

    def __init__(self, name: str = "gate", budget: str | None = None) -> None:
        self.entered = 0
        self.most = 0
        self._inside = 0
        self._open = asyncio.Event()
        self.step = Step(name, self._run, None, budget)

    def open(self) -> None:
        self._open.set()

    async def _run(self, ctx: StepContext) -> None:
        self.entered += 1
        self._inside += 1
        self.most = max(self.most, self._inside)
        try:
            while not self._open.is_set():
                if await ctx.cancelled():
                    raise OperationCancelled
                try:
                    async with asyncio.timeout(0.05):
                        await self._open.wait()
                except TimeoutError:
                    continue
        finally:
            self._inside -= 1


def new(kind: str, host_id: str, *, machine_id: str | None = None, **more: Any) -> NewOperation:
    return NewOperation(kind=kind, host_id=host_id, machine_id=machine_id or str(uuid4()), **more)


async def told(database: Database, operation_id: str, *keys: str) -> list[tuple[Any, ...]]:
    """The named values of each of an operation's events, in order."""
    found = await database.event.find_many(where={"operationId": operation_id}, order={"seq": "asc"})
    return [tuple(data_of(event.data, keys)) for event in found]


def data_of(data: Any, keys: Iterable[str]) -> Iterable[Any]:
    return (data[key] for key in keys)

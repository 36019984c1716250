"""What a step gets to work with, on the operation's row."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.db.rows import Operation
from infinibay.errors import DatabaseUnavailable, NotFound
from infinibay.operations.pace import backoff
from infinibay.operations.places import Place

T = TypeVar("T")
_PROGRESS_SECONDS = 0.5


class OperationContext:
    """The StepContext of one operation; it lives as long as this process works on it."""

    def __init__(self, database: Database, operation_id: str) -> None:
        self.database = database
        self._operation_id = operation_id
        self._row: Operation | None = None
        self._told_percent = (-1, 0.0)
        self._goes_on = False
        self.place: Place | None = None

    async def load(self) -> Operation:
        """Reads the row; what never changes of it serves the properties below from then on."""
        row = await stored(lambda: queries.find(self.database, self._operation_id))
        if row is None:
            raise NotFound("The operation does not exist any more.")
        if self._row is None:
            # Somebody else had entered a step.
            self._goes_on = row.step is not None
        self._row = row
        return row

    async def interruptions(self, name: str) -> int:
        """How often a process ended and left it to the next to go on with `name`, a step or compensation that begins
        now; each time is noted in the log."""
        if not self._goes_on:
            return 0
        self._goes_on = False
        line = gone_on_with(name)
        await self.log(line)
        return (await self.load()).log.count(line)

    @property
    def operation_id(self) -> str:
        return self._operation_id

    @property
    def machine_id(self) -> str | None:
        return self._loaded.machineId

    @property
    def department_id(self) -> str | None:
        return self._loaded.departmentId

    @property
    def input(self) -> Mapping[str, Any]:
        value: Any = self._loaded.input
        return value if isinstance(value, Mapping) else {}

    @property
    def kind(self) -> str:
        return self._loaded.kind

    async def log(self, line: str) -> None:
        await stored(lambda: queries.append_log(self.database, self._operation_id, storable(line)))

    async def progress(self, percent: int) -> None:
        """At most two a second are published, and 100 always."""
        bounded = max(0, min(100, percent))
        told, at = self._told_percent
        now = time.monotonic()
        if bounded == told or (bounded < 100 and now - at < _PROGRESS_SECONDS):
            return
        self._told_percent = (bounded, now)
        await stored(lambda: queries.set_progress(self.database, self._operation_id, bounded))

    async def cancelled(self) -> bool:
        row = await stored(lambda: queries.find(self.database, self._operation_id))
        return row is not None and row.cancelRequested

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        place = self.place
        if place is None:
            raise RuntimeError("no step of the operation is at work")
        place.leave()
        yield
        await place.take()

    @property
    def _loaded(self) -> Operation:
        if self._row is None:
            raise RuntimeError("the operation's row has not been read")
        return self._row


def gone_on_with(name: str) -> str:
    """The line of the log."""
    return f"The server ended; it goes on with {name}."


def storable(text: str) -> str:
    """PostgreSQL's text has no NUL, which a guest's or a tool's words may have."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


async def stored(call: Callable[[], Awaitable[T]]) -> T:
    """The engine's own bookkeeping outlasts an absent database, as nothing can be decided without it."""
    async for _ in backoff():
        try:
            return await call()
        except DatabaseUnavailable:
            continue
    raise AssertionError("an unbounded backoff never ends")

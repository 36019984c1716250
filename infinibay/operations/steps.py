"""Running one step of an operation: entering it, its budget, patience with what is away for a moment, its failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal, TypeVar

from infinibay import metrics
from infinibay.db import operations as queries
from infinibay.errors import DatabaseUnavailable, HypervisorUnavailable, InfinibayError, OperationCancelled
from infinibay.log import get_logger
from infinibay.operations.api import Failure, FaultPoints, OperationFailed, Step
from infinibay.operations.context import OperationContext, storable, stored
from infinibay.operations.failures import failure_from
from infinibay.operations.pace import backoff
from infinibay.operations.places import Place

log = get_logger(__name__)
T = TypeVar("T")
TRANSIENT = (DatabaseUnavailable, HypervisorUnavailable)
_LOOK_SECONDS = 1.0
# What ends its process each time would otherwise keep the server of all machines from running.
MOST_INTERRUPTIONS = 10


class StepRunner:
    """Runs bodies of steps and compensations. One per process, because budgets count over all operations of a host."""

    def __init__(
        self, budgets: Mapping[str, int], *, concurrency: int, patience: float, faults: FaultPoints | None
    ) -> None:
        """`concurrency`: steps that work at once. `patience`: seconds that a step waits for an absent database or
        hypervisor before it fails."""
        self._free = asyncio.Semaphore(concurrency)
        self._budgets = {name: asyncio.Semaphore(limit) for name, limit in budgets.items()}
        self._patience = patience
        self._faults = faults

    async def forward(self, ctx: OperationContext, step: Step, number: int) -> bool:
        """Runs step `number` (from 1). False when the operation does not go on; the reason is then recorded, unless it
        is a cancellation that came before the step."""
        if not await stored(lambda: queries.start_step(ctx.database, ctx.operation_id, step.name, number)):
            return False
        began, outcome = time.perf_counter(), "succeeded"
        try:
            async with self._budget(step.budget, ctx):
                result = await self.effect(ctx, step.name, lambda: step.run(ctx), cancellable=True)
            if result:
                await stored(lambda: queries.merge_result(ctx.database, ctx.operation_id, result))
        except Exception as error:  # noqa: BLE001 - whatever a step raises must end in compensations
            cancelled = isinstance(error, OperationCancelled)
            outcome = "cancelled" if cancelled else "failed"
            await record(ctx, failure_from(error, step.name), cancelled=cancelled)
        count(ctx.kind, step.name, outcome, began)
        return outcome == "succeeded"

    async def effect(
        self, ctx: OperationContext, name: str, body: Callable[[], Awaitable[T]], *, cancellable: bool
    ) -> T:
        """Calls `body`, again and again while the hypervisor or the database is away, for a bounded time. Raises
        OperationFailed without calling it when the server has ended at this point too often."""
        if await ctx.interruptions(name) >= MOST_INTERRUPTIONS:
            raise OperationFailed(_interrupted(name))
        ctx.place = place = Place(self._free)
        await _take(place.take, ctx if cancellable else None)
        try:
            return await self._patiently(ctx, name, body, cancellable=cancellable)
        finally:
            place.leave()

    async def _patiently(
        self, ctx: OperationContext, name: str, body: Callable[[], Awaitable[T]], *, cancellable: bool
    ) -> T:
        away: Exception | None = None
        async for elapsed in backoff(self._patience):
            if away is not None and cancellable and await ctx.cancelled():
                raise OperationCancelled from away
            try:
                await self._reached(ctx.kind, name, "before")
                outcome = await body()
                await self._reached(ctx.kind, name, "after")
                return outcome
            except TRANSIENT as error:
                away = error
                log.warning("operation.step_waits", step=name, error=error.message, waited=round(elapsed, 1))
        assert away is not None  # noqa: S101 - the loop ends without a result only after a failed attempt
        raise away

    async def _reached(self, kind: str, name: str, phase: Literal["before", "after"]) -> None:
        if self._faults is not None:
            await self._faults.reached(kind, name, phase)

    @asynccontextmanager
    async def _budget(self, name: str | None, ctx: OperationContext) -> AsyncIterator[None]:
        if name is None:
            yield
            return
        places = self._budgets[name]
        await _take(places.acquire, ctx)
        try:
            yield
        finally:
            places.release()


async def _take(take: Callable[[], Awaitable[object]], ctx: OperationContext | None) -> None:
    """Waits for a place, no longer than somebody wants the operation, if it is one that may be cancelled."""
    while True:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await take()
        except TimeoutError:
            if ctx is not None and await ctx.cancelled():
                raise OperationCancelled from None
        else:
            return


def _interrupted(name: str) -> Failure:
    return Failure(
        None,
        InfinibayError.code,
        f"The server ended {MOST_INTERRUPTIONS} times at {name}.",
        "Look at the end of the server's log, and at the host's free memory.",
    )


def count(kind: str, step: str, outcome: str, began: float) -> None:
    """Notes how long a step took since `began` (performance counter)."""
    metrics.STEP_SECONDS.labels(kind, step, outcome).observe(time.perf_counter() - began)


async def record(ctx: OperationContext, failure: Failure, *, cancelled: bool) -> None:
    """Writes the failure to the row, with the lines it brings and one of its own."""
    for line in failure.log:
        await ctx.log(line)
    await ctx.log(f"{failure.step}: {failure.message}" if failure.step else failure.message)
    await stored(
        lambda: queries.fail(
            ctx.database,
            ctx.operation_id,
            step=failure.step,
            code=failure.code,
            message=storable(failure.message),
            remedy=storable(failure.remedy) if failure.remedy else None,
            cancelled=cancelled,
        )
    )

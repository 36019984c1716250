"""The one workflow: how an operation of any kind goes from its first step to its end.

Its body is deterministic: all that it decides on are outcomes of recorded steps, which are replayed when another
process goes on with it. Outcomes are numbers and truth values; everything worth reading lies in the operation's row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from infinibay.db import operations as queries
from infinibay.db.client import Database
from infinibay.log import bound, get_logger
from infinibay.operations import durable
from infinibay.operations.api import OperationKind
from infinibay.operations.compensation import fail_unknown, settle, undo
from infinibay.operations.context import OperationContext, stored
from infinibay.operations.ending import finish
from infinibay.operations.failures import failure_from, failure_of
from infinibay.operations.steps import StepRunner, record

log = get_logger(__name__)


class OperationWorkflow:
    """Runs operations of the registered kinds."""

    def __init__(self, kinds: Mapping[str, OperationKind], database: Database, runner: StepRunner) -> None:
        self._kinds = kinds
        self._database = database
        self._runner = runner

    async def run(self, operation_id: str) -> None:
        """Runs one operation to its end, or on from where an earlier process was interrupted."""
        ctx = OperationContext(self._database, operation_id)
        with bound(operation_id=operation_id):
            name = await self._begin(ctx)
            if name is None:
                return
            kind = self._kinds.get(name)
            if kind is None:
                # No step, because a process that knew the kind may have recorded others in its place.
                await fail_unknown(ctx, name)
                await self._finish(ctx, "unknown")
                return
            with bound(machine_id=ctx.machine_id):
                await self._steps(ctx, kind)
                await durable.step("finish", partial(self._finish, ctx, name))

    async def _begin(self, ctx: OperationContext) -> str | None:
        """The kind, which never changes; None when there is nothing to do now. Asked anew by each process."""
        row, is_behind = await asyncio.gather(
            ctx.load(), stored(lambda: queries.is_behind(self._database, ctx.operation_id))
        )
        if row.endedAt is not None:
            return None
        if is_behind:
            # The engine lost the one before it, which the sweep brings back first, and then this one.
            log.warning("operation.steps_aside", machine_id=row.machineId)
            return None
        return row.kind

    async def _steps(self, ctx: OperationContext, kind: OperationKind) -> None:
        for number, step in enumerate(kind.steps, 1):
            if not await durable.step(step.name, partial(self._runner.forward, ctx, step, number)):
                entered: int = await durable.step("settle", partial(settle, ctx))
                for done in reversed(kind.steps[:entered]):
                    if done.undo is not None:
                        await durable.step(f"undo:{done.name}", partial(undo, self._runner, ctx, done))
                break
        if kind.ended is not None:
            await durable.step("ended", partial(self._ended, ctx, kind))

    async def _ended(self, ctx: OperationContext, kind: OperationKind) -> None:
        ending = kind.ended
        if ending is None:
            return
        failure = failure_of(await ctx.load())
        try:
            await self._runner.effect(ctx, "ended", lambda: ending(ctx, failure), cancellable=False)
        except Exception as error:  # noqa: BLE001 - the operation ends all the same, and tells that its ending failed
            await record(ctx, failure_from(error, None), cancelled=False)

    async def _finish(self, ctx: OperationContext, kind: str) -> bool:
        return await stored(lambda: finish(self._database, ctx.operation_id, kind))

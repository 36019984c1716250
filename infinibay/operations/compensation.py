"""Undoing what an operation did, newest step first."""

from __future__ import annotations

import time

from infinibay.db import operations as queries
from infinibay.errors import InfinibayError, OperationCancelled
from infinibay.log import get_logger
from infinibay.operations.api import Failure, Step
from infinibay.operations.context import OperationContext, storable, stored
from infinibay.operations.failures import failure_from
from infinibay.operations.steps import StepRunner, count, record

log = get_logger(__name__)


async def settle(ctx: OperationContext) -> int:
    """Makes sure that the reason of the end is recorded; returns how many steps are to be undone."""
    row = await ctx.load()
    if row.failureCode is None:
        cancelled = OperationCancelled()
        await record(ctx, Failure(row.step, cancelled.code, cancelled.message), cancelled=True)
    return await stored(lambda: queries.reached(ctx.database, ctx.operation_id))


async def undo(runner: StepRunner, ctx: OperationContext, step: Step) -> None:
    """Runs one compensation. When it fails, the operation's log and failure tell what is left, and the others go on."""
    compensation = step.undo
    if compensation is None:
        return
    name = f"undo:{step.name}"
    began, outcome = time.perf_counter(), "succeeded"
    try:
        await runner.effect(ctx, name, lambda: compensation(ctx), cancellable=False)
    except Exception as error:  # noqa: BLE001 - one failing compensation must not stop the others
        outcome = "failed"
        failure = failure_from(error, step.name)
        await ctx.log(f"undo {step.name}: {failure.message}")
        left = storable(f"Step {step.name} could not be undone: {failure.message}")
        await stored(lambda: queries.add_to_failure(ctx.database, ctx.operation_id, left))
    count(ctx.kind, name, outcome, began)


async def fail_unknown(ctx: OperationContext, kind: str) -> None:
    """Records that this process cannot run the operation."""
    message = f"This server does not know operations of the kind {kind!r}."
    await record(ctx, Failure(None, InfinibayError.code, message), cancelled=False)

"""Errors into failures: what people are told, and what only the log may know."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from infinibay.db.rows import Operation
from infinibay.errors import InfinibayError, OperationCancelled
from infinibay.log import get_logger
from infinibay.operations.api import Failure, OperationFailed

log = get_logger(__name__)


def failure_from(error: Exception, step: str | None) -> Failure:
    """What to record. An error that is none of ours is logged whole under a reference and shown without its text."""
    if isinstance(error, OperationFailed):
        return error.failure if error.failure.step else replace(error.failure, step=step)
    if isinstance(error, InfinibayError):
        level = log.info if isinstance(error, OperationCancelled) else log.warning
        level("operation.step_failed", step=step, code=error.code, error=error.message, exc_info=error.__cause__)
        return Failure(step, error.code, error.message, error.remedy)
    reference = uuid4().hex[:12]
    log.error("operation.unexpected_error", step=step, reference=reference, exc_info=error)
    message = f"Something unexpected went wrong (reference {reference})."
    return Failure(step, InfinibayError.code, message, f"Look for {reference} in the server's log.")


def failure_of(row: Operation) -> Failure | None:
    """The recorded failure of an operation, None when it has none."""
    if row.failureCode is None:
        return None
    return Failure(row.failureStep, row.failureCode, row.failureMessage or "", row.failureRemedy, tuple(row.log))

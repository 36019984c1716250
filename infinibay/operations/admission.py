"""What happens to a verb that meets a busy machine: the decision alone, without effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infinibay.db.rows import Operation, OperationState
from infinibay.operations.api import NewOperation, OperationKind


@dataclass(frozen=True)
class Join:
    """The same verb is under way already."""

    operation: Operation


@dataclass(frozen=True)
class Refuse:
    """An exclusive operation is under way."""

    operation: Operation


@dataclass(frozen=True)
class Queue:
    """It takes its turn, after the cancellation of those in `cancel`."""

    cancel: tuple[str, ...] = ()


def admit(kinds: Mapping[str, OperationKind], active: Sequence[Operation], new: NewOperation) -> Join | Refuse | Queue:
    """Decides on `new`; `active` is what has not ended of its machine (or department), in the order of arrival.

    Nobody cancels exclusive kinds that also preempt (destroy): what preempts meets them as any other verb does.
    """
    if active and _joins(active[-1], new):
        return Join(active[-1])
    exclusive = [
        row for row in active if row.kind in kinds and kinds[row.kind].exclusive and row.kind not in new.behind
    ]
    if kinds[new.kind].preempts:
        final = [row for row in exclusive if kinds[row.kind].preempts and not row.cancelRequested]
        return Refuse(final[-1]) if final else Queue(tuple(row.id for row in active if not row.cancelRequested))
    return Refuse(exclusive[-1]) if exclusive else Queue()


def _joins(row: Operation, new: NewOperation) -> bool:
    if row.kind != new.kind or row.cancelRequested or row.failureCode is not None:
        return False
    # A machine's verb says what shall be true, so it may join the one that runs. A department's says that something
    # has changed, which one that already runs may have read before.
    if new.machine_id is None and row.state != OperationState.QUEUED:
        return False
    return _plain(row.input) == _plain(new.input)


def _plain(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}

"""The words of durable operations: kinds, steps and what a step gets to work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from infinibay.errors import InfinibayError


@dataclass(frozen=True)
class Failure:
    """Why an operation ended: the step, a stable error code, a sentence for people, what they can do, and log lines."""

    step: str | None
    code: str
    message: str
    remedy: str | None = None
    log: tuple[str, ...] = ()


class StepContext(Protocol):
    """What a step and its compensation may use. They run possibly twice: look, do, return."""

    @property
    def operation_id(self) -> str: ...
    @property
    def machine_id(self) -> str | None: ...
    @property
    def department_id(self) -> str | None: ...
    @property
    def input(self) -> Mapping[str, Any]: ...
    async def log(self, line: str) -> None:
        """Adds a line to the operation's kept log. Never a secret."""

    async def progress(self, percent: int) -> None:
        """Publishes how far the present step is, 0 to 100."""

    async def cancelled(self) -> bool:
        """Whether somebody asked for the operation's end; long waits look at it."""

    def aside(self) -> AbstractAsyncContextManager[None]:
        """Inside, the step only waits for another operation, and others work in its place."""


StepBody = Callable[[StepContext], Awaitable[Mapping[str, Any] | None]]
Ending = Callable[[StepContext, Failure | None], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """One step. What `run` returns (JSON) is merged into the operation's result. `undo` is idempotent and also copes
    with a `run` that never happened or happened half. `budget` names a limit per host (`media`, `start`)."""

    name: str
    run: StepBody
    undo: Callable[[StepContext], Awaitable[None]] | None = None
    budget: str | None = None


@dataclass(frozen=True)
class OperationKind:
    """A kind of operation. `ended` runs as the last step whatever the outcome (failure None = success), once or twice.

    `exclusive` kinds (create, destroy, restore) refuse other verbs meanwhile; `preempts` kinds (destroy,
    forcePowerOff) cancel what runs and then take their turn.
    """

    name: str
    steps: tuple[Step, ...]
    ended: Ending | None = None
    exclusive: bool = False
    preempts: bool = False


class OperationFailed(InfinibayError):
    """The operation failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, remedy=failure.remedy)
        self.code = failure.code
        self.failure = failure


@dataclass(frozen=True)
class NewOperation:
    """What is written with the request; `input` holds ids and plain values, never a secret.

    `behind`: exclusive kinds whose work is done and that only note their end; it queues behind these.
    `newborn`: the same transaction has written its machine, so nothing can be under way there.
    """

    kind: str
    host_id: str
    machine_id: str | None = None
    department_id: str | None = None
    requested_by_id: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    behind: frozenset[str] = frozenset()
    newborn: bool = False


class FaultPoints(Protocol):
    """Called around each effect, so that a test's process can die there. `step` is the step's name, `undo:<name>` for
    its compensation, `ended` for the ending."""

    async def reached(self, kind: str, step: str, phase: Literal["before", "after"]) -> None: ...

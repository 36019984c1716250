"""What the birth of a row sets in motion: a registry that is given to `Database`.

Hooks fire for `create` of one row, in or outside of a transaction. Nested creates, `create_many`, `upsert`, batches,
raw SQL and other processes fire nothing, and after-commit hooks are lost with the process: what must not be missed
belongs into the transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from infinibay.log import get_logger

if TYPE_CHECKING:
    from infinibay.db.client import Database

log = get_logger(__name__)

Row = TypeVar("Row", bound=BaseModel)


class Hooks:
    """Functions by model, in the order of their registration."""

    def __init__(self) -> None:
        self._after_create: dict[str, list[Callable[[Database, Any], Awaitable[None]]]] = {}
        self._after_commit: dict[str, list[Callable[[Any], Awaitable[None]]]] = {}

    def after_create(
        self, model: type[Row]
    ) -> Callable[[Callable[[Database, Row], Awaitable[None]]], Callable[[Database, Row], Awaitable[None]]]:
        """Decorates `async fn(tx, row)`, which runs in the transaction of the create; its error undoes the create."""

        def register(hook: Callable[[Database, Row], Awaitable[None]]) -> Callable[[Database, Row], Awaitable[None]]:
            self._after_create.setdefault(_name(model), []).append(hook)
            return hook

        return register

    def after_commit(
        self, model: type[Row]
    ) -> Callable[[Callable[[Row], Awaitable[None]]], Callable[[Row], Awaitable[None]]]:
        """Decorates `async fn(row)`, which runs once the row is committed; its error is logged, and the row stands."""

        def register(hook: Callable[[Row], Awaitable[None]]) -> Callable[[Row], Awaitable[None]]:
            self._after_commit.setdefault(_name(model), []).append(hook)
            return hook

        return register

    def watch(self, model: type[BaseModel]) -> bool:
        """Whether the model has any hook."""
        return _name(model) in self._after_create or _name(model) in self._after_commit

    async def created(self, tx: Database, row: BaseModel) -> None:
        """Runs the hooks inside the transaction."""
        for hook in self._after_create.get(_name(type(row)), ()):
            await hook(tx, row)

    async def committed(self, rows: Sequence[BaseModel]) -> None:
        """Runs the hooks after the commit, for all rows of the transaction."""
        for row in rows:
            for hook in self._after_commit.get(_name(type(row)), ()):
                try:
                    await hook(row)
                except Exception:
                    log.exception("db.hook_failed", model=_name(type(row)))


def _name(model: type[BaseModel]) -> str:
    name: str = getattr(model, "__prisma_model__", model.__name__)
    return name

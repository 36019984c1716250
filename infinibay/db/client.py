"""The database: Prisma's typed client with our engine, errors, hooks and transactions."""

# ruff: noqa: SLF001, ASYNC109 - the client is extended through its protected methods, with its signatures.

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import prisma
from prisma import _builder, errors
from prisma._compat import model_parse
from prisma._types import PrismaMethod
from prisma.client import Batch
from prisma.engine import AsyncAbstractEngine
from pydantic import BaseModel

from infinibay.db.engine.http_engine import HttpEngine
from infinibay.db.engine.socket_engine import SocketEngine
from infinibay.db.failures import CLIENT_ERRORS, our_error, translated
from infinibay.db.hooks import Hooks
from infinibay.db.transaction import MAX_WAIT, TIMEOUT, IsolationLevel, Joined, Transaction

_START = timedelta(seconds=15)
_STOP = timedelta(seconds=5)


@dataclass(frozen=True)
class EngineOptions:
    """How the query engine runs: its socket lies in `run_dir`; a native engine given by `binary` is used over HTTP."""

    run_dir: Path
    binary: Path | None = None


class Database(prisma.Prisma):
    """The client of one PostgreSQL, or of one transaction on it (`tx()`).

    Every error leaves it as DatabaseError, UniqueViolation or DatabaseUnavailable. `update` and `delete` answer None
    for a row that does not exist.
    """

    def __init__(self, url: str, *, engine: EngineOptions, hooks: Hooks | None = None) -> None:
        super().__init__(use_dotenv=False, datasource={"url": url}, connect_timeout=_START)
        self.hooks = hooks if hooks is not None else Hooks()
        self._url = url
        self._engine_options = engine
        self._created: list[BaseModel] = []

    async def connect(self, timeout: Any = _START) -> None:
        """Starts the engine and asks the database once. Raises DatabaseUnavailable."""
        with translated():
            await super().connect(timeout=timeout)
        try:
            await self.ping()
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self, timeout: float | timedelta | None = _STOP) -> None:
        """Ends the engine after the requests that run; it is killed after the time limit."""
        engine, self._internal_engine = self._internal_engine, None
        if engine is not None:
            await engine.aclose(timeout=timeout if isinstance(timeout, timedelta) else _STOP)

    async def ping(self) -> None:
        """Returns when the database answers. Raises DatabaseUnavailable."""
        await self.query_raw("SELECT 1")

    def tx(  # type: ignore[override]  # the client's manager cannot carry hooks or an isolation level
        self,
        *,
        timeout: timedelta = TIMEOUT,
        max_wait: timedelta = MAX_WAIT,
        isolation_level: IsolationLevel | None = None,
    ) -> Transaction | Joined:
        """`async with db.tx() as tx`: commits at the end, rolls back on an exception.

        `max_wait` is for a free connection, `timeout` for the whole transaction, which is rolled back when it takes
        longer. On a transaction's own client it joins that transaction.
        """
        if self.is_transaction():
            return Joined(self)
        return Transaction(self, timeout=timeout, max_wait=max_wait, isolation_level=isolation_level)

    def batch_(self) -> Batch:
        """`async with db.batch_() as batch`: several writes in one transaction and one request."""
        return _Batch(self)

    async def get_metrics(self, format: Literal["json", "prometheus"] = "json", **options: Any) -> Any:
        """Counters of the engine, as the client gives them."""
        with translated():
            return await super().get_metrics(format, **options)

    async def _execute(
        self,
        *,
        method: PrismaMethod,
        arguments: dict[str, Any],
        model: type[BaseModel] | None = None,
        root_selection: list[str] | None = None,
    ) -> Any:
        hooked = method == "create" and model is not None and self.hooks.watch(model)
        if hooked and not self.is_transaction():
            async with self.tx() as tx:
                return await tx._execute(method=method, arguments=arguments, model=model, root_selection=root_selection)
        try:
            answer = await super()._execute(
                method=method, arguments=arguments, model=model, root_selection=root_selection
            )
        except errors.RecordNotFoundError as error:
            if method in ("update", "delete"):
                raise  # The client's method turns it into None.
            raise our_error(error) from error
        except CLIENT_ERRORS as error:
            raise our_error(error) from error
        if hooked and model is not None:
            row = model_parse(model, answer["data"]["result"])
            self._created.append(row)
            await self.hooks.created(self, row)
        return answer

    def _copy(self) -> Database:
        copy = type(self)(self._url, engine=self._engine_options, hooks=self.hooks)
        copy._copied = True
        copy._internal_engine = self._internal_engine
        return copy

    def _create_engine(self, dml_path: Path | None = None) -> AsyncAbstractEngine:
        path = dml_path or self._packaged_schema_path
        if self._engine_options.binary is not None:
            return HttpEngine(dml_path=path, binary=self._engine_options.binary)
        return SocketEngine(dml_path=path, run_dir=self._engine_options.run_dir)


class _Batch(Batch):
    async def commit(self) -> None:
        with translated():
            await super().commit()


_find_fields = _builder.QueryBuilder.get_default_fields


_known_fields: dict[type, list[str]] = {}


def _default_fields(builder: _builder.QueryBuilder, model: Any) -> list[str]:
    if model not in _known_fields:
        _known_fields[model] = _find_fields(builder, model)
    return list(_known_fields[model])


# The client inspects the types of a model's fields anew for every request, which takes most of building it.
_builder.QueryBuilder.get_default_fields = _default_fields  # type: ignore[method-assign, assignment]


def _indent_lines(text: str, prefix: str) -> str:
    return "\n".join(prefix + line for line in text.split("\n"))


# The client indents its requests with textwrap, for which U+0085, U+2028 and U+2029 end a line too: it would write
# blanks into the middle of texts that contain them.
_builder.indent = _indent_lines  # type: ignore[attr-defined, assignment]

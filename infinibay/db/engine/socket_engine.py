"""The client's engine over one multiplexed Unix socket, restarted when it dies."""

# ruff: noqa: ASYNC109 - the signatures are the client's.

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, overload

import orjson
from prisma._types import DatasourceOverride, TransactionId
from prisma.engine import AsyncAbstractEngine
from prisma.engine.utils import handle_response_errors

from infinibay.db.engine.channel import Channel
from infinibay.db.engine.process import EngineProcess
from infinibay.errors import DatabaseUnavailable
from infinibay.log import get_logger

log = get_logger(__name__)

_START_SECONDS = 15.0
_STOP_SECONDS = 5.0
_LONGEST_PAUSE = 5.0
# No statement of ours takes so long; a transaction has 5 s.
_ANSWER_SECONDS = 60.0


class SocketEngine(AsyncAbstractEngine):
    """Runs and asks the engine's program. Requests in flight when it dies get DatabaseUnavailable; later ones wait."""

    def __init__(self, *, dml_path: Path, run_dir: Path, log_queries: bool = False) -> None:
        self._dml_path = dml_path
        self._run_dir = run_dir
        self._log_queries = log_queries
        self._process: EngineProcess | None = None
        self._channel: Channel | None = None
        self._ready = asyncio.Event()
        self._restarting: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def pid(self) -> int | None:
        """The engine's process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def socket(self) -> Path | None:
        """Where the engine listens."""
        return self._process.socket if self._process is not None else None

    async def connect(
        self,
        timeout: timedelta = timedelta(seconds=_START_SECONDS),
        datasources: list[DatasourceOverride] | None = None,
    ) -> None:
        environment = {"PRISMA_DML_PATH": str(self._dml_path.absolute())}
        if datasources is not None:
            environment["OVERWRITE_DATASOURCES"] = orjson.dumps(datasources).decode()
        if self._log_queries:
            environment["LOG_QUERIES"] = "y"
        self._process = process = EngineProcess(self._run_dir, environment)
        self._closing = False
        await self._open(process, timeout.total_seconds())

    def close(self, *, timeout: timedelta | None = None) -> None:  # noqa: ARG002 - it ends at once
        self._closing = True
        if self._process is not None:
            self._process.kill()

    async def aclose(self, *, timeout: timedelta | None = None) -> None:
        self._closing = True
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.gather(self._restarting, return_exceptions=True)
        if self._process is not None:
            await self._process.stop(_STOP_SECONDS if timeout is None else timeout.total_seconds())
        if self._channel is not None:
            self._channel.close()

    async def query(self, content: str, *, tx_id: TransactionId | None) -> Any:
        head = b'{"do":"query"}' if tx_id is None else orjson.dumps({"do": "query", "id": tx_id})
        return await self._ask(head, content)

    async def start_transaction(self, *, content: str) -> TransactionId:
        answer = await self._ask(b'{"do":"start"}', content)
        return TransactionId(answer["id"])

    async def commit_transaction(self, tx_id: TransactionId) -> None:
        await self._ask(orjson.dumps({"do": "commit", "id": tx_id}), "")

    async def rollback_transaction(self, tx_id: TransactionId) -> None:
        await self._ask(orjson.dumps({"do": "rollback", "id": tx_id}), "")

    @overload
    async def metrics(self, *, format: Literal["json"], global_labels: dict[str, str] | None) -> dict[str, Any]: ...

    @overload
    async def metrics(self, *, format: Literal["prometheus"], global_labels: dict[str, str] | None) -> str: ...

    async def metrics(
        self, *, format: Literal["json", "prometheus"], global_labels: dict[str, str] | None
    ) -> dict[str, Any] | str:
        head = orjson.dumps({"do": "metrics", "format": format})
        channel = await self._open_channel()
        body = await channel.request(head, orjson.dumps(global_labels or {}))
        if format == "prometheus":
            return body.decode()
        answer: dict[str, Any] = orjson.loads(body)
        return answer

    async def _ask(self, head: bytes, content: str) -> Any:
        channel = self._channel if self._channel is not None and self._channel.is_open else await self._open_channel()
        answer = orjson.loads(await channel.request(head, content.encode()))
        errors = answer.get("errors")
        if errors:
            handle_response_errors(_NO_RESPONSE, errors)
        return answer

    async def _open_channel(self) -> Channel:
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise DatabaseUnavailable("The database engine does not start; try again.") from None
        if self._closing or self._channel is None:
            raise DatabaseUnavailable("The database engine is not running.")
        return self._channel

    async def _open(self, process: EngineProcess, time_limit: float) -> None:
        await process.start(time_limit)
        loop = asyncio.get_running_loop()
        _, self._channel = await loop.create_unix_connection(
            lambda: Channel(lambda: self._lost(process), _ANSWER_SECONDS), str(process.socket)
        )
        self._ready.set()

    def _lost(self, process: EngineProcess) -> None:
        self._ready.clear()
        if not self._closing and self._restarting is None:
            log.warning("db.engine_lost")
            self._restarting = asyncio.get_running_loop().create_task(self._restart(process))

    async def _restart(self, process: EngineProcess) -> None:
        began, pause = time.monotonic(), 0.1
        try:
            while True:
                await process.stop(0)
                try:
                    await self._open(process, _START_SECONDS)
                except (DatabaseUnavailable, OSError) as error:
                    log.warning("db.engine_restart_failed", reason=str(error))
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                else:
                    log.info("db.engine_restarted", seconds=round(time.monotonic() - began, 2))
                    return
        finally:
            self._restarting = None


# The client wants the HTTP response for one message that it makes of an answer without any error in it.
_NO_RESPONSE: Any = None

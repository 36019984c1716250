"""A native engine over HTTP, as the client runs it, but restarted when it dies and ended without blocking."""

# ruff: noqa: ASYNC109 - the signatures are the client's.

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from prisma._types import DatasourceOverride, Method
from prisma.engine import AsyncQueryEngine
from prisma.engine.errors import EngineConnectionError
from prisma.engine.utils import get_open_port

from infinibay.errors import DatabaseUnavailable

_START_SECONDS = 15.0
_DYING_SECONDS = 1.0
_STOP = timedelta(seconds=5)
_ENGINE_ENVIRONMENT = {"RUST_LOG": "error", "RUST_LOG_FORMAT": "json", "PRISMA_ENGINE_PROTOCOL": "graphql"}
# The pool of httpx costs time in proportion to connections and requests, so that few connections are faster.
_LIMITS = httpx.Limits(max_connections=20)


class HttpEngine(AsyncQueryEngine):
    """Runs the given engine binary. Requests in flight when it dies get DatabaseUnavailable; later ones start it."""

    def __init__(self, *, dml_path: Path, binary: Path, log_queries: bool = False) -> None:
        super().__init__(
            dml_path=dml_path,
            log_queries=log_queries,
            http_config={"limits": _LIMITS, "timeout": None, "trust_env": False},
        )
        self._binary = binary
        self._datasources: list[DatasourceOverride] | None = None
        self._starting = asyncio.Lock()

    async def connect(
        self,
        timeout: timedelta = timedelta(seconds=_START_SECONDS),
        datasources: list[DatasourceOverride] | None = None,
    ) -> None:
        self._datasources = datasources
        async with self._starting:
            await super().connect(timeout=timeout, datasources=datasources)

    async def aclose(self, *, timeout: timedelta | None = None) -> None:
        await asyncio.to_thread(self._kill_process, timeout or _STOP)
        await self._close_session()

    async def request(
        self,
        method: Method,
        path: str,
        *,
        content: Any = None,
        headers: dict[str, str] | None = None,
        parse_response: bool = True,
    ) -> Any:
        starting = path == "/status"
        if not starting:
            await self._ensure_running()
        try:
            return await super().request(method, path, content=content, headers=headers, parse_response=parse_response)
        except httpx.HTTPError as error:
            if not starting:
                await asyncio.to_thread(self._await_end)
            raise DatabaseUnavailable("The database engine stopped while it worked on this; try again.") from error

    async def _ensure_running(self) -> None:
        if self.process is None or self.process.poll() is None:
            return
        async with self._starting:
            if self.process.poll() is None:
                return
            try:
                await self.spawn(self._binary, timeout=timedelta(seconds=_START_SECONDS), datasources=self._datasources)
            except EngineConnectionError as error:
                raise DatabaseUnavailable("The database engine does not start; try again.") from error

    def _await_end(self) -> None:
        # A dying process is not dead at once; the next request must find it so.
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_DYING_SECONDS)

    def _ensure_file(self) -> Path:
        return self._binary

    def _spawn_process(
        self, *, file: Path, datasources: list[DatasourceOverride] | None
    ) -> tuple[str, subprocess.Popen[bytes]]:
        """As the client does, but the engine ends with this process, and a Ctrl-C on the terminal passes it by."""
        port = get_open_port()
        self.url = f"http://localhost:{port}"
        environment = {**os.environ, "PRISMA_DML_PATH": str(self.dml_path.absolute()), **_ENGINE_ENVIRONMENT}
        if datasources is not None:
            environment["OVERWRITE_DATASOURCES"] = orjson.dumps(datasources).decode()
        if self._log_queries:
            environment["LOG_QUERIES"] = "y"
        command = ["setpriv", "--pdeathsig", "TERM", str(file.absolute()), "-p", str(port)]
        command += ["--enable-metrics", "--enable-raw-queries"]
        self.process = process = subprocess.Popen(command, env=environment, start_new_session=True)
        return self.url, process

    def _kill_process(self, timeout: timedelta | None) -> None:
        process = self.process
        super()._kill_process(timeout)
        if process is not None:
            process.wait()  # The client leaves a zombie after a SIGKILL.

"""Runs the engine's executable for tests, as the client or a person would."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from infinibay.db.engine.paths import EXECUTABLE
from tests.integration.db.conftest import SCHEMA
from tests.support.wait import until_sync


@contextmanager
def engine(url: str, *arguments: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The executable with these arguments on the tests' schema, ended by SIGINT."""
    environment = {**os.environ, "PRISMA_DML_PATH": str(SCHEMA), "ENGINE_TEST_DATABASE": url}
    with subprocess.Popen(
        [str(EXECUTABLE), *arguments], env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


def await_status(port: int) -> None:
    """Waits until the engine listens."""

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/status", trust_env=False).text == '{"status":"ok"}'
        except httpx.ConnectError:
            return False

    until_sync(answers, 15, "the engine's status")

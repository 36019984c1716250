"""The engine's Node program as a child process on a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

from infinibay.db.engine.paths import PROGRAM, node_binary
from infinibay.errors import DatabaseUnavailable

_LONGEST_SOCKET_PATH = 107  # The size of sun_path, less its closing zero.
_numbers = itertools.count(1)


class EngineProcess:
    """One run of the program at a time; `socket` is where it listens, a path only the owner may open."""

    def __init__(self, run_dir: Path, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._own_dir: Path | None = None
        self._child: asyncio.subprocess.Process | None = None
        self.socket = self._choose_socket(run_dir)

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def start(self, time_limit: float) -> None:
        """Starts the program and waits until its socket is there; seconds.

        Raises DatabaseUnavailable when it ends or is not ready in time.
        """
        self.socket.unlink(missing_ok=True)
        self._child = await asyncio.create_subprocess_exec(
            str(node_binary()),
            str(PROGRAM),
            "--socket",
            str(self.socket),
            env={**os.environ, **self._environment, "INFINIBAY_ENGINE_PARENT": str(os.getpid())},
            stdin=asyncio.subprocess.DEVNULL,
            # A Ctrl-C on the terminal must reach the server only, which still needs the database to end in order.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(time_limit):
                while not self.socket.exists():
                    if self._child.returncode is not None:
                        raise DatabaseUnavailable("The database engine ended while it started; its output says why.")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            self.kill()
            raise DatabaseUnavailable(f"The database engine was not ready within {time_limit:g} s.") from None

    async def stop(self, time_limit: float) -> None:
        """Lets the program finish its requests, then ends it; seconds. Does nothing when it is not running."""
        if self._child is not None:
            self._signal(signal.SIGINT)
            try:
                await asyncio.wait_for(self._child.wait(), time_limit)
            except TimeoutError:
                self._signal(signal.SIGKILL)
                await self._child.wait()
        self._remove_socket()

    def kill(self) -> None:
        """Ends the program at once."""
        self._signal(signal.SIGKILL)
        self._remove_socket()

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # It has just ended by itself.
                self._child.send_signal(number)

    def _choose_socket(self, run_dir: Path) -> Path:
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = run_dir / f"engine-{os.getpid()}-{next(_numbers)}.sock"
        if len(os.fsencode(path)) >= _LONGEST_SOCKET_PATH:  # The program adds a character for a moment.
            self._own_dir = Path(tempfile.mkdtemp(prefix="infinibay-"))
            path = self._own_dir / "engine.sock"
        return path

    def _remove_socket(self) -> None:
        self.socket.unlink(missing_ok=True)
        if self._own_dir is not None:
            shutil.rmtree(self._own_dir, ignore_errors=True)

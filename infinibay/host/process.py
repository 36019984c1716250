"""Running a program: with a deadline, a limit on what it may print, and no child left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from infinibay.errors import HostFailure

_CHUNK = 16 * 1024


@dataclass(frozen=True)
class Account:
    """The account a program runs as; `groups` are its supplementary groups."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Finished:
    """How a program ended. `code` is None when it was killed at its deadline; outputs are cut at the limit."""

    code: int | None
    stdout: str
    stderr: str

    @property
    def timed_out(self) -> bool:
        return self.code is None


async def run(
    arguments: Sequence[str], *, seconds: float, output_limit: int = 1024 * 1024, account: Account | None = None
) -> Finished:
    """Runs a program to its end; at the deadline, or when the caller is cancelled, it is killed with its children.

    `output_limit` is bytes per stream; what a program prints beyond it is read and dropped. Raises HostFailure when
    the program is not installed or may not be run.
    """
    process = await _start(arguments, account)
    outputs = asyncio.gather(_read(process.stdout, output_limit), _read(process.stderr, output_limit))
    timed_out = False
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        timed_out = True
    finally:
        _kill_group(process.pid)
        await process.wait()
        stdout, stderr = await outputs
    return Finished(None if timed_out else process.returncode, stdout, stderr)


async def _start(arguments: Sequence[str], account: Account | None) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=account.groups if account else None,
        )
    except FileNotFoundError as error:
        raise HostFailure(f"The program {arguments[0]} is not installed.") from error
    except PermissionError as error:
        raise HostFailure(f"The program {arguments[0]} may not be run: {error.strerror}.") from error


async def _read(stream: asyncio.StreamReader | None, limit: int) -> str:
    kept = bytearray()
    while stream is not None and (chunk := await stream.read(_CHUNK)):
        kept += chunk[: limit - len(kept)]
    return kept.decode(errors="replace")


def _kill_group(group: int) -> None:
    # The program leads a session of its own, so its children end with it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)

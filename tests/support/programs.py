"""Programs of clients, in processes of their own, that say what they see in lines of JSON."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from infinibay.db.engine.paths import node_binary
from tests.support.product import ROOT

_SECONDS = 180


class Program:
    """One that runs."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def told(self) -> Any:
        """The next line. AssertionError with what it complained of when it ended instead."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            complaint = (await self._process.stderr.read()).decode()
            raise AssertionError(f"the program ended with {await self._process.wait()}:\n{complaint}")
        return json.loads(line)


@asynccontextmanager
async def running(*command: str, code: str = "") -> AsyncIterator[Program]:
    """Runs a command until the block ends; `code` is its standard input."""
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(code.encode())
        process.stdin.write_eof()
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def node(*arguments: str) -> tuple[str, ...]:
    """The command that runs a module with the packaged Node; without arguments the one on its standard input."""
    return (str(node_binary()), *(arguments or ("--input-type=module", "-")))

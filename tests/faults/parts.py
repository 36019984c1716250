"""The parts that the server consists of, to be struck while it works."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import psutil

from tests.support.product import Product
from tests.support.wait import until


def strike(product: Product, part: str) -> None:
    """Kills the `engine` or the database (`postgres killed`), or has the latter restart (`postgres restarted`)."""
    process = _running(product, part)
    assert process is not None
    process.send_signal(signal.SIGINT if part == "postgres restarted" else signal.SIGKILL)


def _running(product: Product, part: str) -> psutil.Process | None:
    """The process that `strike` would hit; None while it is not there."""
    assert product.process is not None
    if part == "engine":
        children = psutil.Process(product.process.pid).children(recursive=True)
        return next((child for child in children if _runs_node(child)), None)
    try:
        pid = int((product.base / "database" / "postmaster.pid").read_text().split()[0])
        return psutil.Process(pid)
    except (FileNotFoundError, IndexError, psutil.NoSuchProcess):  # It ends or starts just now.
        return None


def _runs_node(process: psutil.Process) -> bool:
    try:
        return Path(process.exe()).name == "node"
    except psutil.NoSuchProcess:  # It has ended since it was found.
        return False


async def replaced(product: Product, part: str) -> None:
    """Strikes a part, once it is there, and waits until another process has taken its place."""
    struck = await until(lambda: _running(product, part), 30, f"{part}: the process to be struck")
    strike(product, part)
    await until(lambda: _running(product, part) not in (None, struck), 30, f"{part}: another process")


async def ready(product: Product) -> None:
    """Waits until the server has everything that it needs."""

    async def look() -> bool:
        return (await product.get("/health/ready")).status_code == 200

    await until(look, 60, "readiness after the fault")


@asynccontextmanager
async def over_tcp(socket_url: str) -> AsyncIterator[str]:
    """The URL of a database as on another machine, which refuses connections after the block."""
    ours = urlsplit(socket_url)
    place = f"{parse_qs(ours.query)['host'][0]}/.s.PGSQL.{ours.port}"
    passing: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_unix_connection(place)
        passing.update(asyncio.create_task(_pass_on(*pair)) for pair in ((reader, there), (back, writer)))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield urlunsplit(ours._replace(netloc=f"{ours.username}@127.0.0.1:{port}", query=""))
        server.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()

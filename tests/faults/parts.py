"""The parts that the server consists of, to be struck while it works."""

from __future__ import annotations

import signal
from pathlib import Path

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

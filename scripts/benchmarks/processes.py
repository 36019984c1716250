"""How fast the product starts, and how much memory its processes hold."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from scripts.benchmarks.figures import Row, Stat
from scripts.benchmarks.subject import ByCommand, Watched
from tests.support.ports import free_port
from tests.support.wait import until

_STARTS = 5
_READY_SECONDS = 5


async def starts(iso: Path) -> list[Row]:
    """Starts by `scripts/start` until /health/ready says 200; the first one prepares everything and does not count."""
    product = ByCommand(iso, PORT=str(free_port()))
    try:
        await _start(product)
        seconds = [await _start(product) for _ in range(_STARTS)]
    finally:
        await product.close()
    stat = Stat.of(seconds)
    return [
        Row("scripts/start again, until ready", "s", stat, bound=f"< {_READY_SECONDS} s", met=stat.p95 < _READY_SECONDS)
    ]


async def _start(product: ByCommand) -> float:
    async def ready() -> bool:
        return (await product.get("/health/ready")).status_code == 200

    began = time.perf_counter()
    await product.start()
    await until(ready, 30, "the server's readiness")
    seconds = time.perf_counter() - began
    await product.stop()
    return seconds


def memory(product: Watched, when: str) -> list[Row]:
    """Resident and proportional megabytes of the server, the engine and all of PostgreSQL."""
    server = product.server
    children = server.children(recursive=True)
    parts = {
        "server": [server],
        "query engine": [child for child in children if Path(child.exe()).name == "node"],
        "PostgreSQL": [child for child in children if Path(child.exe()).name == "postgres"],
    }
    return [row for name, processes in parts.items() for row in _rows(f"{name}, {when}", processes)]


def _rows(what: str, processes: Sequence[psutil.Process]) -> list[Row]:
    held = [process.memory_full_info() for process in processes]
    return [
        Row(f"{what}, RSS", "MB", Stat.of([sum(one.rss for one in held) / 1e6])),
        Row(f"{what}, PSS", "MB", Stat.of([sum(one.pss for one in held) / 1e6])),
    ]

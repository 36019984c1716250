"""Fifty creations at once: each ends well, nothing is left after their removal, and the event loop stays free.

Guests are paused as soon as they run: fifty emulated firmwares would take the processors from everything, the server
included, and what is measured is the server.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from scripts.benchmarks.bare import BareLibvirt
from scripts.benchmarks.figures import Row, Stat
from scripts.benchmarks.subject import Gap, Watched
from tests.support.product import MACHINES

_MACHINES = 50
_BLOCKED_MS = 100
_SECONDS = 600
_PAUSE_SECONDS = 0.1
_STARTED = ("running", "paused")


async def measure(product: Watched) -> list[Row]:
    """The machines are removed, all at once too, and both count for the event loop."""
    since = time.time()
    began = time.perf_counter()
    async with _paused_guests(product):
        made = await asyncio.gather(*(_create(product, number) for number in range(_MACHINES)))
        ended = [await product.ended(operation, _SECONDS) for _, _, operation in made]
        seconds = time.perf_counter() - began
    listed = (await product.ask(MACHINES))["machines"]
    _tell(listed)
    whole = _whole(product, listed, [operation["state"] for operation in ended])
    outcomes = await asyncio.gather(*(product.verb("destroyMachine", machine) for machine, _, _ in made))
    destroyed = sum(outcome["success"] for outcome in outcomes)
    left = sum(len(names) for names in product.held().values())
    return [
        _exact(f"{_MACHINES} creations at once: whole", whole, "all"),
        _exact(f"{_MACHINES} removals at once: done", destroyed, "all"),
        Row("left after the removals", "things", Stat.of([left]), bound="none", met=left == 0),
        Row(f"{_MACHINES} creations at once, each answered", "ms", Stat.of([answer for _, answer, _ in made])),
        Row(f"{_MACHINES} creations at once, all running", "s", Stat.of([seconds])),
        *loop_rows(product.gaps(since)),
    ]


async def _create(product: Watched, number: int) -> tuple[str, float, str]:
    """The machine, the milliseconds until the answer, and the operation."""
    began = time.perf_counter()
    created = await product.create(f"burst {number}")
    return created["id"], (time.perf_counter() - began) * 1000, created["operation"]["id"]


@asynccontextmanager
async def _paused_guests(product: Watched) -> AsyncIterator[None]:
    bare = await asyncio.to_thread(BareLibvirt, product.libvirt_uri, product.pool)

    ended = asyncio.Event()

    async def pause() -> None:
        while not ended.is_set():
            await asyncio.to_thread(bare.pause_guests, product.base / "machines")
            await asyncio.sleep(_PAUSE_SECONDS)

    pausing = asyncio.create_task(pause())
    try:
        yield
    finally:
        ended.set()
        await pausing
        await asyncio.to_thread(bare.close)


def _tell(listed: list[dict[str, Any]]) -> None:
    for machine in listed:
        if machine["status"] not in _STARTED:
            sys.stderr.write(f"{machine['name']}: {machine['status']}, {machine['failure']}\n")


def _whole(product: Watched, listed: list[dict[str, Any]], states: list[str]) -> int:
    """How many machines were started and have everything that belongs to them."""
    running = {machine["id"] for machine in listed if machine["status"] in _STARTED}
    for names in product.held().values():
        running &= set(names)
    return min(len(running), states.count("SUCCEEDED"))


def _exact(what: str, count: int, bound: str) -> Row:
    return Row(what, "machines", Stat.of([count]), bound=bound, met=count == _MACHINES)


def loop_rows(gaps: list[Gap], when: str = "") -> list[Row]:
    """A gap while the loop's thread waits for a processor that guests keep busy is no blocking by the server."""
    blocked = Stat.of([max(0.0, gap.gap_ms - gap.queued_ms) for gap in gaps])
    return [
        Row(
            f"event loop blocked{when}, longest of each second",
            "ms",
            blocked,
            bound=f"never > {_BLOCKED_MS} ms",
            met=blocked.most <= _BLOCKED_MS,
        ),
        Row("the same with waiting for a processor", "ms", Stat.of([gap.gap_ms for gap in gaps])),
    ]

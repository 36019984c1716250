"""Blocking work off the event loop, whose end is always awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Runs the work in a thread. A cancelled caller waits for its end, so that what follows meets no half-done work."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # It is nobody's any more; unlooked at it would be reported as lost.
        raise

"""Waiting times of repeated attempts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

_FIRST_SECONDS = 0.2
_LONGEST_SECONDS = 5.0


async def backoff(limit_seconds: float | None = None) -> AsyncIterator[float]:
    """Yields before each attempt, at once and then after doubling pauses; ends when the next pause would pass the
    limit. Yields the seconds since the first attempt."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    pause = _FIRST_SECONDS
    while True:
        elapsed = loop.time() - start
        yield elapsed
        if limit_seconds is not None and loop.time() - start + pause > limit_seconds:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_SECONDS)

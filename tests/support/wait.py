"""Bounded waiting for a condition, for tests: no fixed sleeps."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(predicate: Callable[[], T | Awaitable[T]], timeout: float = 10, what: str = "the condition") -> T:
    """Polls until `predicate` gives something truthy, and returns it. Raises TimeoutError that names what was awaited."""
    deadline = time.monotonic() + timeout
    while True:
        result = predicate()
        value: T = await result if inspect.isawaitable(result) else result
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout} s")
        await asyncio.sleep(0.02)


def until_sync(predicate: Callable[[], T], timeout: float = 10, what: str = "the condition") -> T:
    """The same for synchronous tests."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout} s")
        time.sleep(0.02)
    return value

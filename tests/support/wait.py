"""Bounded waiting for a condition, for tests: no fixed sleeps."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")


@overload
async def until(predicate: Callable[[], Awaitable[T | None]], seconds: float = ..., what: str = ...) -> T: ...
@overload
async def until(predicate: Callable[[], T | None], seconds: float = ..., what: str = ...) -> T: ...
async def until(predicate: Callable[[], object], seconds: float = 10, what: str = "the condition") -> object:
    """Polls until `predicate` gives something truthy, and returns it. TimeoutError names what was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {seconds} s")
        await asyncio.sleep(0.02)


def until_sync(predicate: Callable[[], T | None], seconds: float = 10, what: str = "the condition") -> T:
    """The same for synchronous tests."""
    deadline = time.monotonic() + seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {seconds} s")
        time.sleep(0.02)
    return value

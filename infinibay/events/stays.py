"""Streams end with the session that they were opened in."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from infinibay.core.access import Principal
from infinibay.errors import Unauthenticated

T = TypeVar("T")
ENDED = "The session has ended; log in again"


class Stay:
    """A principal's stay while one stream runs."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self._is_over = False
        self._waiting: asyncio.Timeout | None = None

    def end(self) -> None:
        """Ends the stream, at once when it waits for its next item."""
        if not self._is_over:
            self._is_over = True
            if self._waiting is not None:
                self._waiting.reschedule(asyncio.get_running_loop().time())

    async def next(self, stream: AsyncIterator[T]) -> T:
        """The stream's next item. Raises Unauthenticated as soon as the stay is over, and StopAsyncIteration."""
        try:
            if not self._is_over:
                async with asyncio.timeout(None) as self._waiting:
                    item = await anext(stream)
        except TimeoutError:
            if not self._is_over:
                raise
        finally:
            self._waiting = None
        if self._is_over:
            raise Unauthenticated(ENDED)
        return item


class Stays:
    """Who has streams in this process, by user."""

    def __init__(self) -> None:
        self._by_user: defaultdict[str, set[Stay]] = defaultdict(set)

    @contextmanager
    def entered(self, principal: Principal) -> Iterator[Stay]:
        """Enter, then look whether the session holds: so no end is missed."""
        stay = Stay(principal)
        self._by_user[principal.user_id].add(stay)
        try:
            yield stay
        finally:
            self._by_user[principal.user_id].discard(stay)
            if not self._by_user[principal.user_id]:
                del self._by_user[principal.user_id]

    def of_user(self, user_id: str) -> set[Stay]:
        return set(self._by_user.get(user_id, ()))

    def all(self) -> set[Stay]:
        return {stay for stays in self._by_user.values() for stay in stays}

"""Room for a limited number of steps that work at once."""

from __future__ import annotations

import asyncio


class Place:
    """One step's place among those that work."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free
        self._held = False

    async def take(self) -> None:
        await self._free.acquire()
        self._held = True

    def leave(self) -> None:
        """For the others, if it is held."""
        if self._held:
            self._held = False
            self._free.release()

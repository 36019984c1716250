"""Many requests at once over one Unix socket; the frames are described in `frames.mjs`."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from typing import cast

from infinibay.errors import DatabaseUnavailable
from infinibay.log import get_logger

log = get_logger(__name__)
_HEAD = struct.Struct(">II")
_LENGTH_SIZE = 4
_MOST_REQUESTS = 2**32


class Channel(asyncio.Protocol):
    """A connection to the engine. `lost` is called once, when it ends; `patience` in seconds is for each answer."""

    def __init__(self, lost: Callable[[], None], patience: float) -> None:
        self._lost = lost
        self._patience = patience
        self._heard = 0.0
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._received = bytearray()
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._heard = time.monotonic()
        self._received += data
        start = 0
        while len(self._received) - start >= _HEAD.size:
            length, number = _HEAD.unpack_from(self._received, start)
            end = start + _LENGTH_SIZE + length
            if len(self._received) < end:
                break
            self._answer(number, bytes(self._received[start + _HEAD.size : end]))
            start = end
        del self._received[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                error = DatabaseUnavailable("The database engine stopped while it worked on this; try again.")
                error.__cause__ = exc
                answer.set_exception(error)
        self._lost()

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def request(self, head: bytes, body: bytes) -> bytes:
        """Sends one request and waits for its answer. Raises DatabaseUnavailable when the connection ends, and when no
        answer comes; an engine that has answered nobody since then is given up."""
        if self._transport is None:
            raise DatabaseUnavailable("The database engine is not running; try again.")
        self._number = (self._number + 1) % _MOST_REQUESTS
        number = self._number
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        size = _LENGTH_SIZE + len(head) + 1 + len(body)
        self._transport.write(b"".join((_HEAD.pack(size, number), head, b"\n", body)))
        sent = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                return await answer
        except TimeoutError:
            self._give_up(since=sent)
            raise DatabaseUnavailable(f"The database did not answer within {self._patience:g} s; try again.") from None
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()

    def _give_up(self, *, since: float) -> None:
        silent = self._heard < since
        log.error("db.request_not_answered", seconds=self._patience, engine_silent=silent)
        if silent and self._transport is not None:
            self._transport.abort()

    def _answer(self, number: int, body: bytes) -> None:
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(body)

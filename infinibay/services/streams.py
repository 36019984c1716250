"""Streams that end with the session they were opened in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TypeVar

from infinibay.core.access import Principal
from infinibay.db import rows, sessions
from infinibay.db.client import Database
from infinibay.errors import Unauthenticated
from infinibay.events.stays import ENDED, Stays

T = TypeVar("T")


class Streams:
    """Holds every stream to its session: logout, revocation, expiry, deletion of the user or another role end it."""

    def __init__(self, database: Database, stays: Stays) -> None:
        self._database = database
        self._stays = stays

    async def bounded(self, principal: Principal, stream: AsyncGenerator[T]) -> AsyncGenerator[T]:
        """The stream's items while the session holds. Raises Unauthenticated when it ends."""
        with self._stays.entered(principal) as stay:
            async with aclosing(stream):
                session = await self._held(principal)
                seconds = (session.expiresAt - datetime.now(UTC)).total_seconds()
                expiry = asyncio.get_running_loop().call_later(seconds, stay.end)
                try:
                    while True:
                        yield await stay.next(stream)
                except StopAsyncIteration:
                    return
                finally:
                    expiry.cancel()

    async def _held(self, principal: Principal) -> rows.Session:
        """The session, which may have ended since the principal was found by it."""
        for session in await sessions.holding(self._database, [principal.session_id]):
            if session.user is not None and session.user.role == principal.role.value:
                return session
        raise Unauthenticated(ENDED)

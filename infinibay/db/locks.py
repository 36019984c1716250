"""Session advisory locks: a name is held as long as its holder's connection lives, so a dead holder frees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from infinibay.db.connections import connect
from infinibay.errors import DatabaseUnavailable
from infinibay.log import get_logger

log = get_logger(__name__)
# No statement here waits for anything.
_ANSWER_SECONDS = 30.0


class LockHolder:
    """Holds names on one dedicated connection, to tell other processes that this one lives.

    The server ends the connection when the process dies, and with it every name. When the connection is lost, the
    next call raises DatabaseUnavailable once and the one after it connects again; names held before are no longer.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AsyncConnection[TupleRow] | None = None
        self._connecting = asyncio.Lock()

    async def hold(self, name: str) -> bool:
        """Takes a name until `close`; false when another process holds it."""
        return bool(await self._value("SELECT pg_try_advisory_lock(%s)", name))

    async def is_free(self, name: str) -> bool:
        """Whether no process holds a name; a name that this object holds is not free. Takes nothing."""
        return not await self._value(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND (classid::bigint << 32) | objid::bigint = %s)",
            name,
        )

    async def release(self, name: str) -> None:
        """Frees a name that this object holds."""
        await self._value("SELECT pg_advisory_unlock(%s)", name)

    async def lost(self) -> None:
        """Returns when the connection that holds the names is lost, and the names with it. No other call meanwhile."""
        connection = self._connection
        if connection is None:
            return
        try:
            # Nobody notifies here: the wait ends when the server or the network closes the connection.
            async for _ in connection.notifies():
                continue
        except psycopg.OperationalError as error:
            log.warning("database.locks_lost", error=str(error))
        await self._drop(connection)

    async def close(self) -> None:
        """Frees all names."""
        if self._connection is not None:
            await self._drop(self._connection)

    async def _drop(self, connection: AsyncConnection[TupleRow]) -> None:
        # Another call may have connected again already.
        if self._connection is connection:
            self._connection = None
        await connection.close()

    async def _value(self, statement: str, name: str) -> object:
        async with self._connecting:
            connection = self._connection = self._connection or await connect(self._url, "lock")
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                cursor = await connection.execute(statement.encode(), [_key(name)])
                row = await cursor.fetchone()
        except (psycopg.OperationalError, TimeoutError) as error:
            await self._drop(connection)
            reason = str(error) or "it does not answer"
            raise DatabaseUnavailable(f"The connection that holds the locks was lost: {reason}") from error
        return None if row is None else row[0]


@asynccontextmanager
async def try_lock(url: str, name: str) -> AsyncIterator[bool]:
    """Inside the block the name is held if the value is true; false means that another process holds it."""
    holder = LockHolder(url)
    try:
        yield await holder.hold(name)
    finally:
        await holder.close()


def _key(name: str) -> int:
    """The 64-bit number that PostgreSQL knows a name by."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)

"""What the database server says of itself, asked without the query engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from infinibay.db.connections import connect
from infinibay.errors import DatabaseUnavailable


@dataclass(frozen=True)
class ServerFacts:
    """`size` in bytes; `clock_ahead` is the seconds by which the server's clock is ahead of this host's."""

    version: str
    size: int
    clock_ahead: float


async def inspect(url: str) -> ServerFacts:
    """Raises DatabaseUnavailable."""
    connection = await connect(url, "doctor")
    try:
        async with connection:
            answer = await connection.execute(
                "SELECT current_setting('server_version'), pg_database_size(current_database()), clock_timestamp()"
            )
            found = await answer.fetchone()
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"The database does not tell what it is: {error}") from error
    if found is None:
        raise DatabaseUnavailable
    version, size, clock = found
    return ServerFacts(str(version).split()[0], int(size), (clock - datetime.now(UTC)).total_seconds())

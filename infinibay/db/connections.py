"""psycopg connections for what Prisma has no words for: migrations, LISTEN and advisory locks."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from infinibay.errors import DatabaseUnavailable, SettingError

# A URL is shared with Prisma, whose own parameters libpq refuses; `schema` is translated.
_PRISMA_ONLY = frozenset(
    {
        "schema",
        "connection_limit",
        "pool_timeout",
        "pgbouncer",
        "sslaccept",
        "sslidentity",
        "sslpassword",
        "socket_timeout",
        "statement_cache_size",
    }
)


def libpq_url(url: str) -> str:
    """The same database for libpq: without Prisma's parameters, `schema` as the search path."""
    parts = urlsplit(url)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in parameters if name not in _PRISMA_ONLY]
    schema = dict(parameters).get("schema")
    if schema is not None:
        options = dict(kept).get("options", "")
        kept = [pair for pair in kept if pair[0] != "options"]
        kept.append(("options", f"{options} -c search_path={_escaped(schema)}".strip()))
    return urlunsplit(parts._replace(query=urlencode(kept, quote_via=quote)))


def _escaped(schema: str) -> str:
    """A schema's name as one word of the server's start options."""
    quoted = '"' + schema.replace('"', '""') + '"'
    return re.sub(r"([\\\s])", r"\\\1", quoted)


async def connect(url: str, purpose: str) -> AsyncConnection[TupleRow]:
    """An autocommit connection that shows its purpose in pg_stat_activity. Raises DatabaseUnavailable, and SettingError
    for a URL with parameters that libpq does not know."""
    try:
        return await AsyncConnection.connect(
            libpq_url(url),
            autocommit=True,
            application_name=f"infinibay {purpose}",
            connect_timeout=10,
            # A host that vanished without a word is noticed within about a minute.
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"The database does not answer: {error}") from error
    except psycopg.ProgrammingError:
        # Its words may repeat parts of the URL.
        raise SettingError("DATABASE_URL", "has parameters after its question mark that libpq does not know") from None

"""The one place where the client's errors become ours. Messages name codes and columns, never values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prisma import errors
from prisma.engine.errors import EngineError

from infinibay.errors import DatabaseError, DatabaseUnavailable, UniqueViolation

# What the client may raise for a request; the last one for a text that is no Unicode.
CLIENT_ERRORS = (errors.PrismaError, UnicodeEncodeError)

# Wrong password, no server, no such database, time limits, connection lost, no place in the pool, too many clients.
_UNAVAILABLE_CODES = frozenset({"P1000", "P1001", "P1002", "P1003", "P1008", "P1017", "P2024", "P2036", "P2037"})

_STATE = re.compile(r'PostgresError \{ code: "(\w{5})"')
_CONSTRAINT = re.compile(r'violates \w+ constraint \\*"(\w+)\\*"')


@contextmanager
def translated() -> Iterator[None]:
    """Raises our errors instead of the client's, with the original as cause."""
    try:
        yield
    except CLIENT_ERRORS as error:
        raise our_error(error) from error


def our_error(error: Exception) -> DatabaseError | DatabaseUnavailable:
    """Our error for one of the client's."""
    match error:
        case errors.DataError():
            return _data_error(error)
        case errors.TransactionError():
            return _transaction_error(error)
        case errors.ClientNotConnectedError() | errors.HTTPClientClosedError() | EngineError():
            return DatabaseUnavailable("The database engine is not running.")
        case UnicodeEncodeError():
            return DatabaseError("A text contains characters that cannot be stored.")
        case _:
            return DatabaseError(f"The database client refused a request ({type(error).__name__}).")


def _data_error(error: errors.DataError) -> DatabaseError | DatabaseUnavailable:
    if isinstance(error, errors.UniqueViolationError):
        return _unique_violation(error)
    if error.code in _UNAVAILABLE_CODES:
        return DatabaseUnavailable(f"The database does not answer at present ({error.code}); try again.")
    return DatabaseError(f"The database refused a statement ({_description(error)}).")


def _transaction_error(error: errors.TransactionError) -> DatabaseError | DatabaseUnavailable:
    if isinstance(error, errors.TransactionExpiredError):
        return DatabaseError("The transaction took too long and was rolled back.")
    if "Unable to start a transaction" in str(error):
        return DatabaseUnavailable("The database has no connection free at present; try again.")
    return DatabaseError("The transaction is no longer open.")


def _unique_violation(error: errors.UniqueViolationError) -> UniqueViolation:
    target = _meta(error).get("target") or ()
    fields = (target,) if isinstance(target, str) else tuple(target)
    names = ", ".join(fields)
    return UniqueViolation(f"The value of {names} is already taken." if names else None, fields=fields)


def _description(error: errors.DataError) -> str:
    if error.code is None:
        # The engine has no code of its own for some states; its text has PostgreSQL's, and values that stay here.
        text = str(error.data)
        found = (re.search(pattern, text) for pattern in (_STATE, _CONSTRAINT))
        return " ".join(match[1] for match in found if match is not None) or "unknown"
    meta = _meta(error)
    known = (meta.get(key) for key in ("code", "field_name", "constraint", "column", "column_name", "table"))
    return " ".join([error.code, *(str(value) for value in known if value)])


def _meta(error: errors.DataError) -> dict[str, Any]:
    return error.meta if isinstance(error.meta, dict) else {}

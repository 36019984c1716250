"""The audit trail: who did what through which mutation, with which result, secrets replaced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from infinibay.core.access import Principal
from infinibay.core.accounts import email_problem
from infinibay.db import audit
from infinibay.db.client import Database
from infinibay.errors import DatabaseError, DatabaseUnavailable
from infinibay.log import get_logger

log = get_logger(__name__)

# Whole values of these names are replaced, at any depth: what lies in them may be a secret.
_SECRET = frozenset(
    {"password", "currentPassword", "passwordConfirmation", "productKey", "token", "inputValues", "parameters"}
)
_HIDDEN = "***"
_LONGEST_TEXT = 200
_MOST_ITEMS = 50
_DEEPEST = 6
_MOST_CHARACTERS = 4000
_MORE = "…"


class AuditService:
    """An entry is begun before the mutation and ended after it, so that one cut off by a crash shows `started`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, principal: Principal | None, action: str, machine_id: str | None, arguments: Mapping[str, Any]
    ) -> int:
        """Returns the number of the entry."""
        return await audit.begin(
            self._database,
            actor_id=principal.user_id if principal else None,
            action=action,
            machine_id=machine_id,
            arguments=_short(_mapping(arguments, 0)),
        )

    async def end(self, entry: int, result: str, *, actor_id: str | None = None, machine_id: str | None = None) -> None:
        """`result` is `ok`, `refused`, `cancelled` or an error's code. What happened has happened: if the database
        fails now, the entry stays `started` and the log tells the result."""
        try:
            await audit.end(self._database, entry, actor_id=actor_id, machine_id=machine_id, result=result)
        except (DatabaseError, DatabaseUnavailable):
            log.exception("audit.entry_not_ended", entry=entry, result=result)


def _short(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments as they are, or the beginning of their JSON when that is long."""
    text = json.dumps(arguments, ensure_ascii=False)
    return arguments if len(text) <= _MOST_CHARACTERS else {"cut": text[:_MOST_CHARACTERS] + _MORE}


def _mapping(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    shown = {_storable(str(key)): _shown(str(key), item, depth) for key, item in islice(values.items(), _MOST_ITEMS)}
    return shown if len(values) <= _MOST_ITEMS else {**shown, _MORE: _MORE}


def _shown(name: str, value: Any, depth: int) -> Any:
    """A value as the trail keeps it: short, storable, without secrets."""
    # People type their password where the address belongs.
    if name in _SECRET or (name == "email" and (not isinstance(value, str) or email_problem(value))):
        return _HIDDEN
    if depth > _DEEPEST:
        return _MORE
    if isinstance(value, Mapping):
        return _mapping(value, depth + 1)
    if isinstance(value, (list, tuple)):
        shown = [_shown("", item, depth + 1) for item in value[:_MOST_ITEMS]]
        return shown if len(value) <= _MOST_ITEMS else [*shown, _MORE]
    if value is None or isinstance(value, (bool, int)):
        return value
    return _storable(str(getattr(value, "name", value)))


def _storable(text: str) -> str:
    """The beginning of a text, without what PostgreSQL can't keep."""
    short = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + _MORE
    return short.encode("utf-8", "replace").decode().replace("\0", "�")

"""One effect for one idempotency key, however often a client sends its mutation."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from infinibay.core.access import Principal
from infinibay.db import idempotency
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, FieldProblem

_LONGEST_KEY = 100
# No mutation takes longer; a call that has not ended by then died with its process.
_STALE_SECONDS = 300


@dataclass(frozen=True)
class _Claim:
    user_id: str
    key: str


_current: ContextVar[_Claim | None] = ContextVar("idempotency_claim", default=None)


async def settle(tx: Database, outcome: Mapping[str, Any]) -> None:
    """Keeps the running mutation's answer in the transaction of its change; does nothing without a key.

    What is kept so survives a crash right after the commit: the client's next try gets the first one's answer.
    """
    claim = _current.get()
    if claim is not None:
        await idempotency.settle(tx, claim.user_id, claim.key, outcome)


class IdempotencyService:
    """Keys are 1 to 100 characters, unique per user, and kept for 24 hours."""

    def __init__(self, database: Database, key: bytes) -> None:
        """`key` makes the fingerprints of inputs, which may hold passwords, useless to whoever reads the table."""
        self._database = database
        self._key = key

    async def once(
        self,
        principal: Principal,
        key: str | None,
        action: str,
        arguments: Mapping[str, Any],
        call: Callable[[], Awaitable[dict[str, Any]]],
    ) -> dict[str, Any]:
        """The call's outcome (JSON), or the kept one of the first call with this key.

        Raises Conflict when the key was used with another input or its first call has not ended; a call that raises
        keeps nothing, so it may be tried again.
        """
        if key is None:
            return await call()
        if not 1 <= len(key) <= _LONGEST_KEY:
            raise BadUserInput(
                FieldProblem("idempotencyKey", f"An idempotency key has between 1 and {_LONGEST_KEY} characters")
            )
        fingerprint = self._fingerprint(action, arguments)
        user_id = principal.user_id
        if not await idempotency.claim(self._database, user_id, key, action, fingerprint, _STALE_SECONDS):
            return await self._kept(user_id, key, action, fingerprint)
        return await self._first(_Claim(user_id, key), call)

    async def _first(self, claim: _Claim, call: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        restore = _current.set(claim)
        try:
            outcome = await call()
            await idempotency.settle(self._database, claim.user_id, claim.key, outcome)
        except BaseException:
            await idempotency.release(self._database, claim.user_id, claim.key)
            raise
        finally:
            _current.reset(restore)
        return outcome

    async def _kept(self, user_id: str, key: str, action: str, fingerprint: str) -> dict[str, Any]:
        row = await idempotency.find(self._database, user_id, key)
        if row is None:
            raise Conflict("The first request with this idempotency key has just failed; try again")
        if row.action != action or row.fingerprint != fingerprint:
            raise Conflict("This idempotency key was used with another input", field="idempotencyKey")
        if row.outcome is None:
            raise Conflict("The first request with this idempotency key has not ended yet", field="idempotencyKey")
        return dict(row.outcome)

    def _fingerprint(self, action: str, arguments: Mapping[str, Any]) -> str:
        text = json.dumps([action, arguments], sort_keys=True, default=str)
        return hmac.new(self._key, b"idempotency\0" + text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

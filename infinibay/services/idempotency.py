"""One effect for one idempotency key, however often a client sends its mutation."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from infinibay.core.access import Principal
from infinibay.db import idempotency
from infinibay.db.client import Database
from infinibay.db.locks import LockHolder
from infinibay.errors import BadUserInput, Conflict, DatabaseUnavailable, FieldProblem
from infinibay.log import get_logger

log = get_logger(__name__)

_LONGEST_KEY = 100
_FIELD = "idempotencyKey"


@dataclass(frozen=True)
class _Claim:
    user_id: str
    key: str

    @property
    def name(self) -> str:
        return f"idempotency {self.user_id} {self.key}"


_current: ContextVar[_Claim | None] = ContextVar("idempotency_claim", default=None)


async def settle(tx: Database, outcome: Mapping[str, Any]) -> None:
    """Keeps the running mutation's answer in the transaction of its change; does nothing without a key.

    What is kept so survives a crash right after the commit: the client's next try gets the first one's answer.
    """
    claim = _current.get()
    if claim is not None:
        await idempotency.settle(tx, claim.user_id, claim.key, outcome)


def awaited(operation_id: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome of a call that waits for an operation: `answer`, once that has succeeded."""
    return {"awaited": {"operation": operation_id, "answer": dict(answer)}}


class IdempotencyService:
    """Keys are 1 to 100 characters, unique per user, and kept for 24 hours.

    While a call runs, its process holds an advisory lock of the key's name; a kept key without an answer whose lock is
    free belongs to a process that died, and the next request takes it over.
    """

    def __init__(self, database: Database, locks: LockHolder, key: bytes) -> None:
        """`key` makes the fingerprints of inputs, which may hold passwords, useless to whoever reads the table."""
        self._database = database
        self._locks = locks
        self._key = key
        self._running: set[str] = set()

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
        before it settled keeps nothing, so it may be tried again.
        """
        if key is None:
            return await call()
        if not 1 <= len(key) <= _LONGEST_KEY:
            raise BadUserInput(FieldProblem(_FIELD, f"An idempotency key has between 1 and {_LONGEST_KEY} characters"))
        fingerprint = self._fingerprint(action, arguments)
        claim = _Claim(principal.user_id, key)
        async with self._held(claim.name) as mine:
            kept = await self._kept(claim, action, fingerprint, mine=mine)
            return await self._first(claim, call) if kept is None else kept

    @asynccontextmanager
    async def _held(self, name: str) -> AsyncIterator[bool]:
        """Inside the block, whether nobody else runs a call of this name."""
        # The lock belongs to the whole process, so calls of the same process are told apart here.
        if name in self._running:
            yield False
            return
        self._running.add(name)
        try:
            mine = await self._locks.hold(name)
            try:
                yield mine
            finally:
                if mine:
                    await self._release(name)
        finally:
            self._running.remove(name)

    async def _release(self, name: str) -> None:
        try:
            await self._locks.release(name)
        except DatabaseUnavailable:
            # The lost connection has freed the name already, and the call's own outcome counts.
            log.warning("idempotency.lock_lost", exc_info=True)

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

    async def _kept(self, claim: _Claim, action: str, fingerprint: str, *, mine: bool) -> dict[str, Any] | None:
        """The kept answer; None when the call is this one's to make."""
        if mine and await idempotency.claim(
            self._database, claim.user_id, claim.key, action=action, fingerprint=fingerprint
        ):
            return None
        row = await idempotency.find(self._database, claim.user_id, claim.key)
        if row is not None and (row.action != action or row.fingerprint != fingerprint):
            raise Conflict("This idempotency key was used with another input", field=_FIELD)
        if row is not None and row.outcome is not None:
            return dict(row.outcome)
        if not mine:
            raise Conflict("The first request with this idempotency key has not ended yet", field=_FIELD)
        return None

    def _fingerprint(self, action: str, arguments: Mapping[str, Any]) -> str:
        text = json.dumps([action, arguments], sort_keys=True, default=str)
        return hmac.new(self._key, b"idempotency\0" + text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

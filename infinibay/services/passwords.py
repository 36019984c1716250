"""Hashing and checking passwords, away from the event loop and a few at a time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from infinibay import metrics
from infinibay.errors import TooManyRequests
from infinibay.secrets import random_password

_BCRYPT_PREFIXES = ("$2a$", "$2b$", "$2y$")
_BCRYPT_LENGTH = 72  # bcrypt never looks at more; hashes of longer passwords were made from these bytes.
_MOST_WAITING = 64
# The rest of the queue is for those whom the throttle knows, so that strangers' guesses leave them a place.
_MOST_STRANGERS = 48
_POOL = "password"


class Passwords:
    """argon2id for new hashes; bcrypt hashes of an imported database still verify and ask to be renewed."""

    def __init__(self, hasher: PasswordHasher | None = None, *, threads: int = 2) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=_POOL)
        metrics.POOL_THREADS.labels(_POOL).set(threads)
        self._decoy = self._hasher.hash(random_password())
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """An argon2id hash. Raises TooManyRequests when too many wait for one."""
        return str(await self._run(_MOST_WAITING, self._hasher.hash, password))

    async def matches(self, password: str, stored: str | None, *, known: bool = True) -> bool:
        """Whether the password is the stored one; one hash is computed even when nothing is stored (None).

        Raises TooManyRequests when too many wait, of strangers (not `known`) somewhat earlier.
        """
        return bool(await self._run(_MOST_WAITING if known else _MOST_STRANGERS, self._matches, password, stored))

    def outdated(self, stored: str) -> bool:
        """Whether the hash should be made again the next time the password is known."""
        return stored.startswith(_BCRYPT_PREFIXES) or self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, most_waiting: int, function: object, *arguments: object) -> object:
        if self._waiting >= most_waiting:
            raise TooManyRequests
        self._waiting += 1
        try:
            with metrics.POOL_CALLS.labels(_POOL).track_inprogress():
                return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)  # type: ignore[arg-type]
        finally:
            self._waiting -= 1

    def _matches(self, password: str, stored: str | None) -> bool:
        if stored is not None and stored.startswith(_BCRYPT_PREFIXES):
            return bcrypt.checkpw(password.encode()[:_BCRYPT_LENGTH], stored.encode())
        try:
            return self._hasher.verify(stored or self._decoy, password) and stored is not None
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError):
            return False

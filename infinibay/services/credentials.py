"""Whether somebody knows an account's password, asked no faster than the throttle lets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infinibay.services.passwords import Passwords
from infinibay.services.throttle import Attempt, LoginThrottle


class Trial:
    """One password that a client sent."""

    def __init__(self, passwords: Passwords, attempt: Attempt) -> None:
        self._passwords = passwords
        self._attempt = attempt
        self.matched: bool | None = None

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one of the account; the same work for one that is not there (None)."""
        try:
            self.matched = await self._passwords.matches(password, stored, known=self._attempt.known)
        except asyncio.CancelledError:
            # Else whoever hangs up in time would guess uncounted.
            self.matched = False
            raise
        return self.matched


class Credentials:
    """The one way to check a password that a client sent."""

    def __init__(self, passwords: Passwords, throttle: LoginThrottle) -> None:
        self._passwords = passwords
        self._throttle = throttle

    @asynccontextmanager
    async def trial(self, account: str, address: str) -> AsyncIterator[Trial]:
        """The block may compare one password of an account (its e-mail key) for a client at a network address.

        Raises TooManyRequests beyond the limits, before anything else is done for the client.
        """
        attempt = await self._throttle.begin(account, address)
        trial = Trial(self._passwords, attempt)
        try:
            if attempt.delay:
                await asyncio.sleep(attempt.delay)
            yield trial
        finally:
            self._throttle.end(attempt, matched=trial.matched)

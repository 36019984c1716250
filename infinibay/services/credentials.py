"""Whether somebody knows an account's password, asked no faster than the throttle lets them."""

from __future__ import annotations

import asyncio

from infinibay.services.passwords import Passwords
from infinibay.services.throttle import Attempt, LoginThrottle


class Credentials:
    """The one way to check a password that a client sent: first `admit`, then `match`."""

    def __init__(self, passwords: Passwords, throttle: LoginThrottle) -> None:
        self._passwords = passwords
        self._throttle = throttle

    async def admit(self, account: str, address: str) -> Attempt:
        """Counts an attempt on an account (its e-mail key) from a client's address, and slows it where it must be.

        Raises TooManyRequests beyond the limits, before anything else is done for the client.
        """
        attempt = self._throttle.attempt(account, address)
        if attempt.delay:
            await asyncio.sleep(attempt.delay)
        return attempt

    async def match(self, attempt: Attempt, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one of the account; the same work for one that is not there (None)."""
        matching = await self._passwords.matches(password, stored, known=attempt.known)
        if matching:
            self._throttle.succeeded(attempt)
        return matching

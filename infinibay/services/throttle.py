"""Slowing down whoever guesses passwords: per account and over all, in this process's memory.

Several API processes each count for themselves, so an attacker gets the limits once per process.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from infinibay.errors import TooManyRequests

PERIOD_SECONDS = 300.0
ACCOUNT_LIMIT = 10
GLOBAL_LIMIT = 500
_MOST_ACCOUNTS = 10_000


class LoginThrottle:
    """Failed attempts of the last five minutes; an attempt counts as failed until it succeeded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: deque[float] = deque()
        self._accounts: OrderedDict[str, deque[float]] = OrderedDict()

    def attempt(self, account: str) -> None:
        """Counts an attempt. Raises TooManyRequests beyond the limits."""
        now = self._clock()
        mine = self._accounts.setdefault(account, deque())
        self._accounts.move_to_end(account)
        for attempts in (mine, self._all):
            while attempts and attempts[0] <= now - PERIOD_SECONDS:
                attempts.popleft()
        if len(mine) >= ACCOUNT_LIMIT or len(self._all) >= GLOBAL_LIMIT:
            raise TooManyRequests("Too many failed logins; wait a few minutes and try again")
        mine.append(now)
        self._all.append(now)
        while len(self._accounts) > _MOST_ACCOUNTS:
            self._accounts.popitem(last=False)

    def succeeded(self, account: str) -> None:
        """Forgets the account's failures."""
        forgotten = self._accounts.pop(account, deque())
        for _ in forgotten:
            if self._all:
                self._all.popleft()

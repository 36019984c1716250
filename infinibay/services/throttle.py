"""Slowing down whoever guesses passwords, without letting strangers lock anybody out; in this process's memory.

An address from which an account was logged into is known to that account; all others are strangers to it. Within five
minutes

- one address fails 10 times with one account, whatever happens elsewhere: more is refused;
- all strangers together fail 30 times with one account, and one address 50 times with accounts that it is a stranger
  to: more is refused, to strangers alone;
- beyond 500 failures of strangers over all accounts each stranger waits three seconds; nobody is refused for them.

So guesses from elsewhere never keep the owner out at a known address. A login that could be one too many, if all that
run failed, waits for their end. What is known and counted ends with the process, and several API processes each count
for themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from infinibay.errors import TooManyRequests

PERIOD_SECONDS = 300.0
PAIR_LIMIT = 10
ACCOUNT_LIMIT = 30
ADDRESS_LIMIT = 50
GLOBAL_LIMIT = 500
SLOW_SECONDS = 3.0
_MOST_KEPT = 10_000
_IPV6_NETWORK = 64


@dataclass(frozen=True)
class Attempt:
    """A login that runs; it waits `delay` seconds before it goes on."""

    pair: tuple[bytes, str]
    known: bool
    delay: float


class LoginThrottle:
    """Counts logins by account and address; the same for accounts that do not exist."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = _Failures()
        self._running: Counter[Hashable] = Counter()
        self._known: OrderedDict[tuple[bytes, str], None] = OrderedDict()
        self._ended = asyncio.Event()

    async def begin(self, account: str, address: str) -> Attempt:
        """Lets a login begin, which must then `end`. Raises TooManyRequests beyond the limits."""
        pair = _pair(account, address)
        while not self._has_room(pair):
            await self._ended.wait()
        known = pair in self._known
        slow = not known and self._failures.count(None, self._clock()) >= GLOBAL_LIMIT
        self._running.update(tuple(_limits(pair, known=known)))
        return Attempt(pair, known, SLOW_SECONDS if slow else 0.0)

    def end(self, attempt: Attempt, *, matched: bool | None) -> None:
        """Counts what became of it; None when no password was compared.

        A match forgets the address's failures with this account, and makes the address known to it.
        """
        limits = tuple(_limits(attempt.pair, known=attempt.known))
        self._running.subtract(limits)
        for bucket in limits:
            if not self._running[bucket]:
                del self._running[bucket]
        if matched:
            self._failures.forget(attempt.pair)
            self._know(attempt.pair)
        elif matched is False:
            for bucket in limits if attempt.known else (*limits, None):
                self._failures.add(bucket, self._clock())
        self._ended.set()
        self._ended = asyncio.Event()

    def _has_room(self, pair: tuple[bytes, str]) -> bool:
        """False when that depends on logins that run. Raises TooManyRequests."""
        now, room = self._clock(), True
        for bucket, limit in _limits(pair, known=pair in self._known).items():
            failed = self._failures.count(bucket, now)
            if failed >= limit:
                raise TooManyRequests("Too many failed logins; wait a few minutes and try again")
            room = room and failed + self._running[bucket] < limit
        return room

    def _know(self, pair: tuple[bytes, str]) -> None:
        self._known[pair] = None
        self._known.move_to_end(pair)
        while len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)


class _Failures:
    """The moments of the last five minutes, by bucket; the bucket of all strangers is None."""

    def __init__(self) -> None:
        self._moments: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def count(self, bucket: Hashable, now: float) -> int:
        moments = self._moments.get(bucket)
        if moments is None:
            return 0
        while moments and moments[0] <= now - PERIOD_SECONDS:
            moments.popleft()
        return len(moments)

    def add(self, bucket: Hashable, now: float) -> None:
        moments = self._moments.setdefault(bucket, deque())
        # Beyond the largest limit nothing changes any more.
        if len(moments) <= GLOBAL_LIMIT:
            moments.append(now)
        self._moments.move_to_end(bucket)
        while len(self._moments) > _MOST_KEPT:
            self._moments.popitem(last=False)

    def forget(self, bucket: Hashable) -> None:
        self._moments.pop(bucket, None)


def _pair(account: str, address: str) -> tuple[bytes, str]:
    """Accounts are texts of anybody's choice and length, so their fingerprint is kept."""
    return hashlib.blake2b(account.encode("utf-8", "replace"), digest_size=16).digest(), _network(address)


def _network(address: str) -> str:
    """What one client has at its disposal: an IPv4 address, or the network that an IPv6 address lies in."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))
    return str(parsed)


def _limits(pair: tuple[bytes, str], *, known: bool) -> dict[Hashable, int]:
    """Where a login is counted, and up to which number of failures."""
    account, address = pair
    mine: dict[Hashable, int] = {pair: PAIR_LIMIT}
    return mine if known else {**mine, account: ACCOUNT_LIMIT, address: ADDRESS_LIMIT}

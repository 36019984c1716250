"""What a login costs beside the one hash that it must compute, and how soon guessing is refused."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any
from uuid import uuid4

from argon2 import PasswordHasher

from infinibay.errors import TooManyRequests, Unauthenticated
from infinibay.services.throttle import PAIR_LIMIT
from scripts.benchmarks.figures import Row, Stat
from scripts.benchmarks.subject import Watched
from tests.support.product import EMAIL, LOGIN, PASSWORD

_LOGINS = 40
_GUESSES = 25
# Two round trips to the database for the session and two for the audit trail, on a busy host.
_BESIDE_MS = 50


async def measure(product: Watched) -> list[Row]:
    """Logins and bare hashes in turn, then wrong passwords for an account that is not there."""
    hasher = PasswordHasher()
    stored = hasher.hash(PASSWORD)
    ours, bare = [], []
    for _ in range(_LOGINS):
        answer, milliseconds = await _login(product, EMAIL, PASSWORD)
        if "errors" in answer:
            raise RuntimeError(f"the login failed: {answer}")
        ours.append(milliseconds)
        began = time.perf_counter()
        await asyncio.to_thread(hasher.verify, stored, PASSWORD)
        bare.append((time.perf_counter() - began) * 1000)
    product_stat, bare_stat = Stat.of(ours), Stat.of(bare)
    cheap_enough = product_stat.median <= bare_stat.median + _BESIDE_MS
    return [
        Row("login answered (HTTP)", "ms", product_stat, bare_stat, f"<= bare + {_BESIDE_MS} ms", cheap_enough),
        *await _guessed(product),
    ]


async def _guessed(product: Watched) -> list[Row]:
    email, codes, refused = f"{uuid4()}@example.com", Counter[str](), []
    for number in range(_GUESSES):
        answer, milliseconds = await _login(product, email, f"guess {number}")
        code = answer["errors"][0]["extensions"]["code"]
        codes[code] += 1
        if code == TooManyRequests.code:
            refused.append(milliseconds)
    wanted = {Unauthenticated.code: PAIR_LIMIT, TooManyRequests.code: _GUESSES - PAIR_LIMIT}
    looked = Stat.of([codes[Unauthenticated.code]])
    return [
        Row(f"{_GUESSES} wrong passwords: looked at", "logins", looked, bound=f"{PAIR_LIMIT}", met=codes == wanted),
        Row("login refused by the throttle (HTTP)", "ms", Stat.of(refused)),
    ]


async def _login(product: Watched, email: str, password: str) -> tuple[Any, float]:
    """The answer, and the milliseconds until it was there."""
    began = time.perf_counter()
    answer = await product.post(LOGIN, {"email": email, "password": password}, token="")
    return answer, (time.perf_counter() - began) * 1000

"""Guessing passwords is slowed down, and strangers lock nobody out."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.access import Role
from infinibay.errors import TooManyRequests, Unauthenticated
from infinibay.services.throttle import (
    ACCOUNT_LIMIT,
    ADDRESS_LIMIT,
    GLOBAL_LIMIT,
    PAIR_LIMIT,
    PERIOD_SECONDS,
    SLOW_SECONDS,
    Attempt,
    LoginThrottle,
)
from tests.support.api import PASSWORD, Api, auth_service, quick_passwords

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> LoginThrottle:
    return LoginThrottle(clock)


async def failed(throttle: LoginThrottle, account: str, address: str, times: int = 1) -> int:
    """How many of so many wrong passwords are looked at."""
    count = 0
    for _ in range(times):
        try:
            attempt = await throttle.begin(account, address)
        except TooManyRequests:
            continue
        throttle.end(attempt, matched=False)
        count += 1
    return count


async def succeeded(throttle: LoginThrottle, account: str, address: str) -> float:
    """Logs in; the delay."""
    attempt = await throttle.begin(account, address)
    throttle.end(attempt, matched=True)
    return attempt.delay


async def test_an_address_fails_ten_times_with_an_account(throttle: LoginThrottle, clock: Clock) -> None:
    assert await failed(throttle, "a", HOME, 25) == PAIR_LIMIT
    with pytest.raises(TooManyRequests, match="wait a few minutes"):
        await throttle.begin("a", HOME)
    assert await failed(throttle, "b", HOME) == 1
    clock.now += PERIOD_SECONDS + 1
    assert await failed(throttle, "a", HOME, 25) == PAIR_LIMIT


async def test_strangers_together_do_not_lock_a_known_address_out(throttle: LoginThrottle) -> None:
    await succeeded(throttle, "a", HOME)
    assert sum([await failed(throttle, "a", f"198.51.100.{one}", 10) for one in range(100)]) == ACCOUNT_LIMIT
    assert await failed(throttle, "a", ELSEWHERE) == 0
    assert await failed(throttle, "a", HOME, 25) == PAIR_LIMIT
    assert await failed(throttle, "b", ELSEWHERE) == 1


async def test_an_address_tries_many_accounts_only_so_often(throttle: LoginThrottle) -> None:
    await succeeded(throttle, "mine", ELSEWHERE)
    assert sum([await failed(throttle, f"account {one}", ELSEWHERE) for one in range(200)]) == ADDRESS_LIMIT
    assert await failed(throttle, "mine", ELSEWHERE) == 1
    assert await failed(throttle, "account", HOME) == 1


async def test_a_flood_of_strangers_slows_strangers_and_refuses_nobody(throttle: LoginThrottle, clock: Clock) -> None:
    await succeeded(throttle, "mine", HOME)
    for one in range(GLOBAL_LIMIT):
        assert await failed(throttle, f"account {one}", f"10.0.{one // 250}.{one % 250}") == 1
    assert await succeeded(throttle, "new", "10.1.0.1") == SLOW_SECONDS
    assert await succeeded(throttle, "mine", ELSEWHERE) == SLOW_SECONDS
    assert await succeeded(throttle, "mine", HOME) == 0
    clock.now += PERIOD_SECONDS + 1
    assert await succeeded(throttle, "other", "10.1.0.1") == 0


async def test_successes_do_not_use_the_limits_up(throttle: LoginThrottle) -> None:
    for one in range(GLOBAL_LIMIT * 2):
        await succeeded(throttle, f"account {one % 7}", f"10.0.0.{one % 200}")
    assert await succeeded(throttle, "new", "10.0.0.1") == 0


async def test_an_own_account_does_not_buy_guesses_at_others(throttle: LoginThrottle) -> None:
    guesses = 0
    for _ in range(20):
        await succeeded(throttle, "mine", ELSEWHERE)
        guesses += await failed(throttle, "victim", ELSEWHERE, 5)
    assert guesses == PAIR_LIMIT


async def test_an_ipv6_network_counts_as_one_address(throttle: LoginThrottle) -> None:
    addresses = [f"2001:db8:1:2::{one:x}%eth0" for one in range(20)]
    assert sum([await failed(throttle, "a", address) for address in addresses]) == PAIR_LIMIT
    assert await failed(throttle, "a", "2001:db8:1:3::1") == 1
    mapped = await failed(throttle, "b", "::ffff:192.0.2.1", 5)
    assert mapped + await failed(throttle, "b", HOME, 25) == PAIR_LIMIT


async def test_what_is_kept_has_an_end(throttle: LoginThrottle) -> None:
    for one in range(11_000):
        await succeeded(throttle, "x" * 5000 + str(one), f"10.{one % 250}.0.1")
        await failed(throttle, f"account {one}", f"10.0.{one // 250}.{one % 250}")
    assert len(throttle._known) == len(throttle._failures._moments) == 10_000
    assert max(len(account) for account, _ in throttle._known) == 16
    assert throttle._running == {}


async def test_as_many_run_at_once_as_may_fail(throttle: LoginThrottle) -> None:
    begun = [await throttle.begin("a", HOME) for _ in range(PAIR_LIMIT)]
    waiting = [asyncio.create_task(throttle.begin("a", HOME)) for _ in range(3)]
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [False] * 3
    throttle.end(begun.pop(), matched=True)
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1
    throttle.end(done.pop().result(), matched=False)
    for attempt in begun:
        throttle.end(attempt, matched=False)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in outcomes].count(TooManyRequests) == 2
    assert throttle._running == {}


async def test_what_failed_by_itself_is_no_wrong_password(throttle: LoginThrottle) -> None:
    for _ in range(PAIR_LIMIT * 2):
        throttle.end(await throttle.begin("a", HOME), matched=None)
    assert await failed(throttle, "a", HOME, 25) == PAIR_LIMIT


async def test_whoever_hangs_up_before_the_answer_has_guessed_too(
    api: Api, throttle: LoginThrottle, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords, comparing = quick_passwords(), asyncio.Event()

    async def endless(*_: Any, **__: Any) -> bool:
        comparing.set()
        return await asyncio.Event().wait()

    monkeypatch.setattr(passwords, "matches", endless)
    user = await _user(api)
    auth = auth_service(api.database, passwords, throttle=throttle)
    for _ in range(PAIR_LIMIT):
        comparing.clear()
        guess = asyncio.create_task(auth.login(user, "wrong password", ELSEWHERE))
        await comparing.wait()
        guess.cancel()
        await asyncio.gather(guess, return_exceptions=True)
    with pytest.raises(TooManyRequests):
        await throttle.begin(user, ELSEWHERE)


@pytest.mark.parametrize("known", [True, False])
async def test_many_wrong_passwords_at_once(api: Api, throttle: LoginThrottle, clock: Clock, known: bool) -> None:
    user = await _user(api)
    auth = auth_service(api.database, quick_passwords(), throttle=throttle)
    if known:
        await auth.login(user, PASSWORD, ELSEWHERE)
    guesses = [auth.login(user, "wrong password", ELSEWHERE) for _ in range(100)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(Unauthenticated) == PAIR_LIMIT
    assert [type(outcome) for outcome in outcomes].count(TooManyRequests) == 100 - PAIR_LIMIT
    with pytest.raises(TooManyRequests):
        await auth.login(user, PASSWORD, ELSEWHERE)
    await auth.login(user, PASSWORD, HOME)
    clock.now += PERIOD_SECONDS + 1
    await auth.login(user, PASSWORD, ELSEWHERE)


async def test_many_right_passwords_at_once(api: Api, throttle: LoginThrottle) -> None:
    user = await _user(api)
    auth = auth_service(api.database, quick_passwords(), throttle=throttle)
    results = await asyncio.gather(*(auth.login(user, PASSWORD, HOME) for _ in range(60)))
    assert len({result.token for result in results}) == 60


async def test_the_right_password_waits_where_strangers_are_slowed_down(api: Api) -> None:
    class Slow(LoginThrottle):
        async def begin(self, account: str, address: str) -> Attempt:
            return replace(await super().begin(account, address), delay=0.05)

    auth = auth_service(api.database, quick_passwords(), throttle=Slow())
    began = time.perf_counter()
    await auth.login(await _user(api), PASSWORD, ELSEWHERE)
    assert time.perf_counter() - began >= 0.05


async def test_a_full_queue_of_strangers_leaves_a_place_for_the_known() -> None:
    passwords = quick_passwords()
    stored = await passwords.hash(PASSWORD)
    waiting: list[Any] = [asyncio.create_task(passwords.matches("guess", stored, known=False)) for _ in range(60)]
    waiting.append(asyncio.create_task(passwords.matches(PASSWORD, stored)))
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    refused = [isinstance(outcome, TooManyRequests) for outcome in outcomes[:-1]]
    assert (refused.count(True), outcomes[-1]) == (12, True)
    passwords.close()


async def _user(api: Api) -> str:
    email = f"{uuid4()}@example.com"
    await api.accounts.create_user(email, PASSWORD, first_name="A", last_name="B", role=Role.USER)
    return email

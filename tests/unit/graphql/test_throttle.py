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


def admitted(throttle: LoginThrottle, account: str, address: str, times: int) -> int:
    """How many of so many attempts are admitted."""
    count = 0
    for _ in range(times):
        try:
            throttle.attempt(account, address)
        except TooManyRequests:
            continue
        count += 1
    return count


def test_an_address_fails_ten_times_with_an_account(throttle: LoginThrottle, clock: Clock) -> None:
    assert admitted(throttle, "a", HOME, 25) == PAIR_LIMIT
    with pytest.raises(TooManyRequests, match="wait a few minutes"):
        throttle.attempt("a", HOME)
    assert admitted(throttle, "b", HOME, 1) == 1
    clock.now += PERIOD_SECONDS + 1
    assert admitted(throttle, "a", HOME, 25) == PAIR_LIMIT


def test_strangers_together_do_not_lock_a_known_address_out(throttle: LoginThrottle) -> None:
    throttle.succeeded(throttle.attempt("a", HOME))
    strangers = [f"198.51.100.{number}" for number in range(100)]
    assert sum(admitted(throttle, "a", address, 10) for address in strangers) == ACCOUNT_LIMIT
    assert admitted(throttle, "a", ELSEWHERE, 1) == 0
    assert admitted(throttle, "a", HOME, 25) == PAIR_LIMIT
    assert admitted(throttle, "b", ELSEWHERE, 1) == 1


def test_an_address_tries_many_accounts_only_so_often(throttle: LoginThrottle) -> None:
    throttle.succeeded(throttle.attempt("mine", ELSEWHERE))
    assert sum(admitted(throttle, f"account {number}", ELSEWHERE, 1) for number in range(200)) == ADDRESS_LIMIT
    assert admitted(throttle, "mine", ELSEWHERE, 1) == 1
    assert admitted(throttle, "account", HOME, 1) == 1


def test_a_flood_of_strangers_slows_strangers_and_refuses_nobody(throttle: LoginThrottle, clock: Clock) -> None:
    throttle.succeeded(throttle.attempt("mine", HOME))
    for number in range(GLOBAL_LIMIT):
        assert throttle.attempt(f"account {number}", f"10.0.{number // 250}.{number % 250}").delay == 0
    assert throttle.attempt("new", "10.1.0.1").delay == SLOW_SECONDS
    assert throttle.attempt("mine", ELSEWHERE).delay == SLOW_SECONDS
    assert throttle.attempt("mine", HOME).delay == 0
    clock.now += PERIOD_SECONDS + 1
    assert throttle.attempt("new", "10.1.0.1").delay == 0


def test_successes_do_not_use_the_limits_up(throttle: LoginThrottle) -> None:
    for number in range(GLOBAL_LIMIT * 2):
        throttle.succeeded(throttle.attempt(f"account {number % 7}", f"10.0.0.{number % 200}"))
    assert throttle.attempt("new", "10.0.0.1").delay == 0


def test_an_own_account_does_not_buy_guesses_at_others(throttle: LoginThrottle) -> None:
    guesses = 0
    for _ in range(20):
        throttle.succeeded(throttle.attempt("mine", ELSEWHERE))
        guesses += admitted(throttle, "victim", ELSEWHERE, 5)
    assert guesses == PAIR_LIMIT


def test_an_ipv6_network_counts_as_one_address(throttle: LoginThrottle) -> None:
    addresses = [f"2001:db8:1:2::{number:x}%eth0" for number in range(20)]
    assert sum(admitted(throttle, "a", address, 1) for address in addresses) == PAIR_LIMIT
    assert admitted(throttle, "a", "2001:db8:1:3::1", 1) == 1
    assert admitted(throttle, "b", "::ffff:192.0.2.1", 5) + admitted(throttle, "b", HOME, 25) == PAIR_LIMIT


def test_what_is_kept_has_an_end(throttle: LoginThrottle) -> None:
    for number in range(15_000):
        throttle.succeeded(throttle.attempt("x" * 5000 + str(number), f"10.{number % 250}.0.1"))
    assert len(throttle._known) == 10_000
    assert len(throttle._failures._moments) <= 10_000
    assert max(len(account) for account, _ in throttle._known) == 16


async def test_a_wrong_password_many_times_at_once(api: Api, throttle: LoginThrottle, clock: Clock) -> None:
    user = await _user(api)
    auth = auth_service(api.database, quick_passwords(), throttle=throttle)
    guesses = [auth.login(user, "wrong password", ELSEWHERE) for _ in range(25)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(Unauthenticated) == PAIR_LIMIT
    with pytest.raises(TooManyRequests):
        await auth.login(user, PASSWORD, ELSEWHERE)
    await auth.login(user, PASSWORD, HOME)
    clock.now += PERIOD_SECONDS + 1
    await auth.login(user, PASSWORD, ELSEWHERE)


async def test_the_right_password_waits_where_strangers_are_slowed_down(api: Api) -> None:
    class Slow(LoginThrottle):
        def attempt(self, account: str, address: str) -> Attempt:
            return replace(super().attempt(account, address), delay=0.05)

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

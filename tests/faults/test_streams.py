"""Streams outlive what happens to server and database: clients that come back miss nothing and see nothing twice."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.faults.parts import ready, replaced
from tests.support import programs
from tests.support.ports import free_port
from tests.support.product import EMAIL, PASSWORD, Product
from tests.support.scale import count
from tests.support.sockets import PROTOCOLS, logged_in
from tests.support.wait import until

_PACE_SECONDS = 0.003
_ADD = "INSERT INTO events (kind, data) VALUES ('test', '{}')"
_ALL = "SELECT seq FROM events ORDER BY seq"
_EVENTS = "subscription { machineEvents { seq } }"


@pytest.fixture(scope="module")
async def product(guest_iso: Path) -> AsyncIterator[Product]:
    """The module's product, serving; it comes back at the same address."""
    made = Product(guest_iso, PORT=str(free_port()))
    try:
        await made.start()
        yield made
    finally:
        await made.close()


class _Log:
    """Adds events at a steady pace, past the server, whatever happens to the database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.added = 0

    async def fill(self) -> None:
        while True:
            with suppress(psycopg.OperationalError):  # The database is away; the next connection goes on.
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    while True:
                        await connection.execute(_ADD)
                        self.added += 1
                        await asyncio.sleep(_PACE_SECONDS)
            await asyncio.sleep(_PACE_SECONDS)

    async def grown(self, number: int) -> None:
        """Waits for that many more events."""
        wanted = self.added + number
        await until(lambda: self.added >= wanted, 30, "more events")

    async def numbers(self) -> list[int]:
        """Of all events that are there."""
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            return [seq for (seq,) in await (await connection.execute(_ALL)).fetchall()]


@asynccontextmanager
async def _growing(product: Product) -> AsyncIterator[_Log]:
    log = _Log(product.database_url)
    filling = asyncio.create_task(log.fill())
    try:
        yield log
    finally:
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)


@asynccontextmanager
async def _followed(product: Product) -> AsyncIterator[list[int]]:
    """The numbers of the events that a client has seen so far."""
    address = product.url.replace("http", "ws", 1) + "/graphql"
    command = programs.node("tests/support/clients/follower.mjs", address, await product.login(EMAIL, PASSWORD))
    async with programs.running(*command) as follower:
        seen: list[int] = []

        async def read() -> None:
            while True:
                seen.append(await follower.told())

        reading = asyncio.create_task(read())
        try:
            yield seen
        finally:
            reading.cancel()
            (end,) = await asyncio.gather(reading, return_exceptions=True)
            assert isinstance(end, asyncio.CancelledError), end


async def _fail(product: Product, fault: str) -> None:
    if fault == "server killed":
        await product.kill()
        await product.start()
    elif fault == "server stopped":
        assert await product.stop() == 0
        await product.start()
    else:
        await replaced(product, fault)
    await ready(product)


@pytest.mark.parametrize(
    "fault", ["server killed", "server stopped", "postgres killed", "postgres restarted", "engine"]
)
async def test_nothing_is_missed_and_nothing_comes_twice(product: Product, fault: str) -> None:
    chance = random.Random(fault)
    async with _followed(product) as seen:
        async with _growing(product) as log:
            for _ in range(count(2, 20)):
                await log.grown(chance.randrange(1, 100))
                await _fail(product, fault)
                await log.grown(1)
                (*_, last) = await log.numbers()
                await until(partial(_has_come, seen, last), 30, f"event {last} after {fault}")
        numbers = await log.numbers()
        await until(partial(_has_come, seen, numbers[-1]), 30, "the last event")
        assert seen == numbers


def _has_come(seen: list[int], number: int) -> bool:
    return bool(seen) and seen[-1] >= number


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_server_that_ends_says_so(product: Product, protocol: str) -> None:
    """Clients take 1012 as a reason to come back."""
    async with logged_in(product.url, await product.login(EMAIL, PASSWORD), protocol) as socket:
        stream = await socket.start(_EVENTS)
        # The server takes one after the other, so that it listens for events by the answer.
        await (await socket.start("{ currentUser { id } }")).next()
        await product.ask("mutation ($name: String!) { createDepartment(name: $name) { id } }", {"name": protocol})
        await stream.next()
        assert product.process is not None
        product.process.send_signal(signal.SIGTERM)
        assert await socket.closed() == 1012
        assert await until(lambda: product.process and product.process.poll() is not None, 30)
        assert product.process.returncode == 0
    await product.start()

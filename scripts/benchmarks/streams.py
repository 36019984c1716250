"""How soon subscribers have what libvirt tells, and what a thousand of them cost.

A guest is suspended and resumed past the product. A bare connection hears of it beside the product.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import libvirt
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from infinibay.virt import event_loop
from scripts.benchmarks.burst import loop_rows
from scripts.benchmarks.figures import Row, Stat
from scripts.benchmarks.subject import Watched
from tests.support.product import EMAIL, PASSWORD
from tests.support.sockets import TRANSPORT

_ROUNDS = 200
_LATE_MS = 50
_SUBSCRIBERS = 1000
_ROUNDS_OF_ALL = 20
_AT_ONCE = 20
_SECONDS = 60
_STATUS = "subscription ($id: ID) { machineStatus(machineId: $id) { seq machineId status previous reason at } }"


async def measure(product: Watched) -> list[Row]:
    """First with one subscriber, then with all of them."""
    created = await product.create("watched")
    await product.ended(created["operation"]["id"])
    guest = _Guest(product.libvirt_uri, created["id"])
    one, many = _Times(), _Times()
    try:
        async with AsyncExitStack() as open_sockets:
            token = await product.login(EMAIL, PASSWORD)
            first = await open_sockets.enter_async_context(_subscribed(product.url, token, created["id"]))
            for _ in range(_ROUNDS):
                await one.take(guest, [first])
            held = product.server.memory_full_info().uss
            subscribers = [first, *await _all(open_sockets, product.url, token, created["id"])]
            since = time.time()
            for _ in range(_ROUNDS_OF_ALL):
                await many.take(guest, subscribers)
            grown = product.server.memory_full_info().uss - held
    finally:
        guest.close()
        await product.verb("destroyMachine", created["id"])
    return [*_rows(one, many, grown / (_SUBSCRIBERS - 1)), *loop_rows(product.gaps(since), " by these")]


def _rows(one: _Times, many: _Times, bytes_each: float) -> list[Row]:
    told = Stat.of(one.last)
    return [
        Row(
            "libvirt's event until a subscriber has it",
            "ms",
            told,
            bound=f"p95 < {_LATE_MS} ms",
            met=told.p95 < _LATE_MS,
        ),
        Row("suspend or resume, until that", "ms", Stat.of(one.whole), Stat.of(one.bare)),
        Row(f"the event until the last of {_SUBSCRIBERS} has it", "ms", Stat.of(many.last)),
        Row(f"until the first of {_SUBSCRIBERS} has it", "ms", Stat.of(many.first)),
        Row("memory of the server for each of these", "kB", Stat.of([bytes_each / 1e3])),
    ]


@dataclass
class _Times:
    """Milliseconds: of the bare connection from the call to its event, from that event to the first and to the last
    subscriber, and from the call to the last."""

    bare: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)

    async def take(self, guest: _Guest, subscribers: Sequence[ClientConnection]) -> None:
        """One change of the guest's state."""
        status = guest.next_status
        waiting = [asyncio.create_task(_told(subscriber, status)) for subscriber in subscribers]
        async with asyncio.timeout(_SECONDS):
            began, heard = await guest.change()
            told = await asyncio.gather(*waiting)
        self.bare.append((heard - began) * 1000)
        self.first.append((min(told) - heard) * 1000)
        self.last.append((max(told) - heard) * 1000)
        self.whole.append((max(told) - began) * 1000)


class _Guest:
    """A running guest, and the bare connection that changes its state and hears of it."""

    def __init__(self, uri: str, machine_id: str) -> None:
        event_loop.ensure_running()
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Future[float] | None = None
        self._connection = libvirt.open(uri)
        self._domain = self._connection.lookupByUUIDString(machine_id)
        self._is_running = True
        self._callback = self._connection.domainEventRegisterAny(
            self._domain, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._hear, None
        )

    @property
    def next_status(self) -> str:
        return "paused" if self._is_running else "running"

    async def change(self) -> tuple[float, float]:
        """Suspends or resumes it; when the call began, and when the event was heard."""
        self._heard = self._loop.create_future()
        began = time.perf_counter()
        await asyncio.to_thread(self._domain.suspend if self._is_running else self._domain.resume)
        self._is_running = not self._is_running
        return began, await self._heard

    def close(self) -> None:
        self._connection.domainEventDeregisterAny(self._callback)
        self._connection.close()

    def _hear(self, *_: object) -> None:
        """In libvirt's thread."""
        moment = time.perf_counter()
        self._loop.call_soon_threadsafe(self._note, moment)

    def _note(self, moment: float) -> None:
        if self._heard is not None and not self._heard.done():
            self._heard.set_result(moment)


async def _all(stack: AsyncExitStack, url: str, token: str, machine_id: str) -> list[ClientConnection]:
    """The other subscribers; the stack closes them."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one() -> ClientConnection:
        async with turns:
            return await stack.enter_async_context(_subscribed(url, token, machine_id))

    return await asyncio.gather(*(one() for _ in range(_SUBSCRIBERS - 1)))


@asynccontextmanager
async def _subscribed(url: str, token: str, machine_id: str) -> AsyncIterator[ClientConnection]:
    """A socket that has been told the present status; it offers compression, as browsers do."""
    address = url.replace("http", "ws", 1) + "/graphql"
    async with connect(address, subprotocols=[Subprotocol(TRANSPORT)]) as connection:
        await connection.send(json.dumps({"type": "connection_init", "payload": {"authorization": token}}))
        await connection.recv()
        payload = {"query": _STATUS, "variables": {"id": machine_id}}
        await connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        await connection.recv()
        yield connection


async def _told(connection: ClientConnection, status: str) -> float:
    """When the subscriber was told of a status."""
    text = await connection.recv()
    moment = time.perf_counter()
    if f'"status":"{status}"' not in str(text):
        raise RuntimeError(f"a subscriber was told {text!r} instead of {status}")
    return moment

"""GraphQL over a WebSocket as a client speaks it, in either protocol, message by message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from infinibay.web.server import server_config
from tests.support.wait import until

TRANSPORT = "graphql-transport-ws"
LEGACY = "graphql-ws"
PROTOCOLS = (TRANSPORT, LEGACY)
_NAMES = {TRANSPORT: ("subscribe", "complete", "next"), LEGACY: ("start", "stop", "data")}
SECONDS = 10


class Stream:
    """The messages of one operation: `next()` gives data, `refusal()` and `end()` what comes instead of it."""

    def __init__(self, socket: Socket, name: str) -> None:
        self._socket = socket
        self.name = name
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def message(self) -> dict[str, Any]:
        """The next message of this operation."""
        async with asyncio.timeout(SECONDS):
            return await self.messages.get()

    async def next(self) -> Any:
        """The data of the next result, without errors."""
        message = await self.message()
        assert message["type"] in {"next", "data"}, message
        assert "errors" not in message["payload"], message
        data: dict[str, Any] = message["payload"]["data"]
        (value,) = data.values()
        return value

    async def answer(self) -> dict[str, Any]:
        """The first result in the form that it has over HTTP."""
        message = await self.message()
        payload = message["payload"]
        if message["type"] == "error":
            return {"errors": payload if isinstance(payload, list) else [payload]}
        answer: dict[str, Any] = payload
        return answer

    async def refusal(self) -> dict[str, Any]:
        """The one error that ends the operation, as message and extensions; in whichever message it comes."""
        message = await self.message()
        if message["type"] == "error":
            payload = message["payload"]
            (error,) = payload if isinstance(payload, list) else [payload]
        else:
            (error,) = message["payload"]["errors"]
            await self.end()
        return {"message": error["message"], **error["extensions"]}

    async def end(self) -> None:
        """Waits for the operation's end."""
        assert (await self.message())["type"] == "complete"

    async def stop(self) -> None:
        """Ends it from this side."""
        await self._socket.send({"type": _NAMES[self._socket.protocol][1], "id": self.name})


class _Streams(dict[str, Stream]):
    """Each is there as soon as somebody asks for it or the server answers."""

    def __init__(self, socket: Socket) -> None:
        super().__init__()
        self._socket = socket

    def __missing__(self, name: str) -> Stream:
        self[name] = Stream(self._socket, name)
        return self[name]


class Socket:
    """One connection."""

    def __init__(self, connection: ClientConnection, protocol: str) -> None:
        self.connection = connection
        self.protocol = protocol
        self.streams = _Streams(self)
        self.others: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())
        self._count = 0

    async def send(self, message: object) -> None:
        await self.connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def greet(self, payload: object = None) -> dict[str, Any]:
        """Sends connection_init; the answer."""
        await self.send({"type": "connection_init", **({} if payload is None else {"payload": payload})})
        return await self.other()

    async def other(self) -> dict[str, Any]:
        """The next message that belongs to no operation."""
        async with asyncio.timeout(SECONDS):
            return await self.others.get()

    async def start(self, query: str, variables: Mapping[str, Any] | None = None) -> Stream:
        """A new operation."""
        self._count += 1
        name = f"operation {self._count}"
        stream = self.streams[name]
        payload = {"query": query, "variables": dict(variables or {})}
        await self.send({"type": _NAMES[self.protocol][0], "id": name, "payload": payload})
        return stream

    def pause(self) -> None:
        """Reads nothing more, so that what the server sends piles up on its side."""
        self.connection.transport.pause_reading()

    def resume(self) -> None:
        self.connection.transport.resume_reading()

    def abort(self) -> None:
        """Cuts the connection off without a word."""
        self.connection.transport.abort()

    async def closed(self) -> int:
        """The code that the server closes the socket with."""
        async with asyncio.timeout(SECONDS):
            await self.connection.wait_closed()
        return self.connection.close_code or 0

    async def close(self) -> None:
        await self.connection.close()
        await self._reading

    async def _read(self) -> None:
        try:
            async for text in self.connection:
                assert isinstance(text, str)
                message = json.loads(text)
                if "id" in message:
                    self.streams[message["id"]].messages.put_nowait(message)
                else:
                    self.others.put_nowait(message)
        except ConnectionClosed:
            return


@asynccontextmanager
async def opened(
    url: str,
    protocol: str = TRANSPORT,
    headers: Mapping[str, str] | None = None,
    origin: str | None = None,
    path: str = "/graphql",
) -> AsyncIterator[Socket]:
    """A socket before its connection_init; `url` is the server's, as for HTTP."""
    async with connect(
        url.replace("http", "ws", 1) + path,
        subprotocols=[Subprotocol(protocol)],
        additional_headers=headers,
        origin=origin,  # type: ignore[arg-type]
        compression=None,
    ) as connection:
        socket = Socket(connection, protocol)
        try:
            yield socket
        finally:
            await socket.close()


@asynccontextmanager
async def logged_in(url: str, token: str | None, protocol: str = TRANSPORT) -> AsyncIterator[Socket]:
    """A socket that was told a token, or none."""
    async with opened(url, protocol) as socket:
        greeting = await socket.greet({"Authorization": f"Bearer {token}"} if token else None)
        assert greeting == {"type": "connection_ack"}
        yield socket


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The URL of an application that this process serves as the product does."""
    config = server_config(app)
    config.port = 0
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving

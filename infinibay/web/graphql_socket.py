"""GraphQL over a WebSocket: the protocols graphql-transport-ws and graphql-ws, hardened.

The libraries' handlers speak the protocols. What is ours: each operation has a context of its own whose token is looked
at again, malformed messages close the socket instead of breaking it, nobody's socket stays open for nothing, and every
error has its code.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLSyntaxError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.async_base_view import AsyncWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived
from strawberry.schema import BaseSchema
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_ws.handlers import BaseGraphQLWSHandler
from strawberry.types.execution import PreExecutionError
from typing_extensions import override

from infinibay.errors import TooManyRequests, Unavailable
from infinibay.graphql.context import Context
from infinibay.graphql.errors import coded

MOST_OPERATIONS = 100
INIT_SECONDS = 10
_LONGEST_ID = 200
_LONGEST_REASON = 123
_BEGINNINGS = frozenset({"subscribe", "start"})


@dataclass
class Connection:
    """What a socket's client sent to say who it is, and how often it wanted something; `connection_params` is filled by
    the handlers."""

    authorization: str | None
    context_of: Callable[[str | None], Awaitable[Context]]
    connection_params: Mapping[str, Any] | None = None
    wishes: int = 0

    async def context(self) -> Context:
        """A context for the present moment."""
        return await self.context_of(self.authorization)

    def accept(self) -> None:
        """Takes `authorization` (in any case) of `connection_init`, if it is there, instead of the handshake's header.
        Raises ConnectionRejectionError for one that is no text."""
        self.wishes += 1
        for name, value in (self.connection_params or {}).items():
            if name.lower() == "authorization":
                if not isinstance(value, str | None):
                    raise ConnectionRejectionError({"message": "`authorization` must be a text"})
                self.authorization = value


class _FreshContexts:
    """The schema as the handlers use it."""

    def __init__(self, schema: BaseSchema) -> None:
        self._schema = schema

    async def stream(self, query: str | None, *, context_value: Connection, **others: Any) -> AsyncGenerator[Any]:
        context_value.wishes += 1
        context = await context_value.context()
        return _with_syntax_errors(await self._schema.stream(query, context_value=context, **others))

    # The older protocol too runs queries and mutations.
    subscribe = stream


async def _with_syntax_errors(results: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """The results. A text that cannot be parsed is one of them: the cache of documents raises what is wrong with it."""
    async with aclosing(results):
        try:
            async for result in results:
                yield result
        except GraphQLSyntaxError as error:
            yield PreExecutionError(data=None, errors=[coded(error)])


@asynccontextmanager
async def _closed_for_nobody(
    connection: Connection, socket: AsyncWebSocketAdapter, is_busy: Callable[[], bool], seconds: float
) -> AsyncIterator[None]:
    """Inside the block a socket that runs nothing and wants nothing for so long is closed, unless it is somebody's."""

    async def watch() -> None:
        wishes = None
        while True:
            if not is_busy() and connection.wishes == wishes:
                context = await connection.context()
                if context.principal is not None:
                    return
                # While the database is away, nobody knows whose it is.
                if not isinstance(context.refusal, Unavailable):
                    await socket.close(4401, "Nobody is logged in")
                    return
            wishes = connection.wishes
            await asyncio.sleep(seconds)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


class TransportHandler(BaseGraphQLTransportWSHandler[Any, None]):
    """graphql-transport-ws."""

    def __init__(self, *, schema: BaseSchema, **others: Any) -> None:
        super().__init__(schema=_FreshContexts(schema), **others)  # type: ignore[arg-type]

    @override
    async def handle(self) -> None:
        seconds = self.view.connection_init_wait_timeout.total_seconds()
        async with _closed_for_nobody(self.context, self.websocket, self._is_busy, seconds):
            await super().handle()

    def _is_busy(self) -> bool:
        # Until the greeting the protocol has a timer of its own.
        return bool(self.operations) or not self.connection_acknowledged

    @override
    async def handle_message(self, message: Any) -> None:
        if _is_well_formed(message):
            await super().handle_message(message)
        else:
            await self.handle_invalid_message("The message does not have the form that its type demands")

    @override
    async def send_message(self, message: Any) -> None:
        await super().send_message(_with_codes(message))

    @staticmethod
    @override
    def _get_pre_execution_close_reason(error: object) -> None:
        """What is wrong with an operation's text does not close the whole socket."""


class LegacyHandler(BaseGraphQLWSHandler[Any, None]):
    """graphql-ws, the protocol of subscriptions-transport-ws."""

    def __init__(self, *, schema: BaseSchema, **others: Any) -> None:
        super().__init__(schema=_FreshContexts(schema), **others)  # type: ignore[arg-type]

    @override
    async def handle(self) -> None:
        seconds = self.view.connection_init_wait_timeout.total_seconds()
        async with _closed_for_nobody(self.context, self.websocket, lambda: bool(self.tasks), seconds):
            await super().handle()

    @override
    async def handle_message(self, message: Any) -> None:
        if _is_well_formed(message):
            await super().handle_message(message)
        else:
            await self.websocket.close(4400, "The message does not have the form that its type demands")

    @override
    async def send_message(self, message: Any) -> None:
        await super().send_message(_with_codes(message))


class SocketAdapter(ASGIWebSocketAdapter):
    """Reads JSON strictly, and closes with a reason that fits into a frame."""

    @override
    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        try:
            while self.ws.application_state != WebSocketState.DISCONNECTED:
                text = await self.ws.receive_text()
                try:
                    yield json.loads(text)
                except (ValueError, RecursionError):
                    if not ignore_parsing_errors:
                        raise NonJsonMessageReceived from None
        except KeyError:
            raise NonTextMessageReceived from None
        except WebSocketDisconnect:
            return

    @override
    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state != WebSocketState.DISCONNECTED:
            await super().close(code, reason.encode()[:_LONGEST_REASON].decode(errors="ignore"))


def _is_well_formed(message: object) -> bool:
    """Whether the fields that the handlers read are of the types that they take for granted."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    identity = message.get("id")
    if not (identity is None or (isinstance(identity, str) and len(identity) <= _LONGEST_ID)):
        return False
    if message["type"] not in _BEGINNINGS:
        return True
    payload = message.get("payload")
    return (
        identity is not None
        and isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )


def _with_codes(message: Any) -> Any:
    """The handlers' own error, which is only that too many operations run at once, has no code yet."""
    if message["type"] == "error":
        errors = message["payload"]
        for error in errors if isinstance(errors, list) else [errors]:
            error.setdefault("extensions", {"code": TooManyRequests.code})
    return message

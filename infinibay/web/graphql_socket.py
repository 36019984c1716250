"""GraphQL over a WebSocket: the protocols graphql-transport-ws and graphql-ws, hardened.

The libraries' handlers speak the protocols. What is ours: each operation has a context of its own whose token is looked
at again, malformed messages close the socket instead of breaking it, and every error has its code.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLSyntaxError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived
from strawberry.schema import BaseSchema
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_ws.handlers import BaseGraphQLWSHandler
from strawberry.types.execution import PreExecutionError
from typing_extensions import override

from infinibay.errors import TooManyRequests
from infinibay.graphql.context import Context
from infinibay.graphql.errors import coded

MOST_OPERATIONS = 100
INIT_SECONDS = 10
_LONGEST_ID = 200
_LONGEST_REASON = 123
_BEGINNINGS = frozenset({"subscribe", "start"})


@dataclass
class Connection:
    """What a socket's client sent to say who it is; `connection_params` is filled by the handlers."""

    authorization: str | None
    context_of: Callable[[str | None], Awaitable[Context]]
    connection_params: Mapping[str, Any] | None = None

    def accept(self) -> None:
        """Takes `authorization` (in any case) of `connection_init`, if it is there, instead of the handshake's header.
        Raises ConnectionRejectionError for one that is no text."""
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
        context = await context_value.context_of(context_value.authorization)
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


class TransportHandler(BaseGraphQLTransportWSHandler[Any, None]):
    """graphql-transport-ws."""

    def __init__(self, *, schema: BaseSchema, **others: Any) -> None:
        super().__init__(schema=_FreshContexts(schema), **others)  # type: ignore[arg-type]

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

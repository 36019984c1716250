"""/graphql: POST with the HTTP statuses and codes of Apollo Server, which existing clients know, and WebSockets."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, NoReturn

import strawberry
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.unset import UnsetType

from infinibay.graphql.context import Context
from infinibay.graphql.errors import coded
from infinibay.services.container import Services
from infinibay.web.authentication import identify
from infinibay.web.graphql_socket import (
    INIT_SECONDS,
    MOST_OPERATIONS,
    Connection,
    LegacyHandler,
    SocketAdapter,
    TransportHandler,
)
from infinibay.web.responses import JSON, encoded, error_response

LARGEST_BODY = 1024 * 1024
_GRAPHQL_JSON = "application/graphql-response+json"


class GraphQLEndpoint(GraphQL[Context | Connection, None]):
    """Queries and mutations by POST with a JSON body of at most 1 MB, no batches, no uploads; over a WebSocket
    subscriptions too."""

    websocket_adapter_class = SocketAdapter
    graphql_transport_ws_handler_class = TransportHandler
    graphql_ws_handler_class = LegacyHandler

    def __init__(
        self, schema: strawberry.Schema, services: Services, graphic_host: str, allowed_origins: tuple[str, ...]
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            allow_queries_via_get=False,
            connection_init_wait_timeout=timedelta(seconds=INIT_SECONDS),
            max_subscriptions_per_connection=MOST_OPERATIONS,
            allowed_origins=allowed_origins,
        )
        self._services = services
        self._graphic_host = graphic_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.run(WebSocket(scope, receive, send))
            return
        request = Request(scope, _limited(receive))
        response = await self._answer(request)
        await response(scope, receive, send)

    async def get_context(
        self,
        request: Request | WebSocket,
        response: Response | WebSocket,  # noqa: ARG002
    ) -> Context | Connection:
        authorization = request.headers.get("authorization")
        address = request.client.host if request.client else ""
        if isinstance(request, WebSocket):
            return Connection(authorization, lambda sent: self._context(address, sent))
        context = await self._context(address, authorization)
        # The line that tells of the request says what was asked for, and by whom.
        request.scope["graphql"] = context
        return context

    async def on_ws_connect(self, context: Context | Connection) -> UnsetType:
        """Whoever comes is let in; each operation then looks who it is, as each request over HTTP does."""
        if isinstance(context, Connection):
            context.accept()
        return UnsetType()

    def encode_json(self, data: object) -> str:
        """Text, as bytes would travel in binary frames."""
        return encoded(data).decode()

    async def _context(self, address: str, authorization: str | None) -> Context:
        identity = await identify(self._services.auth, authorization)
        return Context(
            services=self._services,
            principal=identity.principal,
            refusal=identity.refusal,
            graphic_host=self._graphic_host,
            address=address,
        )

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        wants_graphql = _GRAPHQL_JSON in request.headers.get("accept", "")
        return Response(media_type=f"{_GRAPHQL_JSON}; charset=utf-8" if wants_graphql else JSON)

    def decode_json(self, data: str | bytes) -> object:
        """An object or a list. Numbers that JSON does not know are refused."""
        try:
            value = json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise HTTPException(400, "The body is not valid JSON") from None
        if not isinstance(value, (dict, list)):
            raise HTTPException(400, "The body must be a JSON object")
        if isinstance(value, dict) and not isinstance(value.get("operationName"), (str, type(None))):
            raise HTTPException(400, "`operationName` must be a string or null, if provided")
        return value

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:  # noqa: ARG002
        """Errors before the execution leave `data` out, as the specification has it."""
        answer: GraphQLHTTPResponse = {}
        if result.errors:
            errors = [coded(error) for error in result.errors]
            answer["errors"] = [error.formatted for error in errors]
        if result.data is not None or not result.errors or any(error.path for error in result.errors):
            answer["data"] = result.data
        return answer

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        status = 200 if isinstance(response_data, list) or "data" in response_data else 400
        return Response(encoded(response_data), status_code=status, media_type=sub_response.media_type)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return error_response(405, "GraphQL is answered by POST only", {"code": "BAD_REQUEST"}, {"allow": "POST"})
        try:
            return await self.run(request)
        except HTTPException as error:
            unresolved = isinstance(error.__cause__, CannotGetOperationTypeError)
            code = "OPERATION_RESOLUTION_FAILURE" if unresolved else "BAD_REQUEST"
            return error_response(error.status_code, error.reason, {"code": code})


def _limited(receive: Receive) -> Receive:
    """The same stream of messages, which ends with 413 beyond the largest body."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message: Any = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_BODY:
            raise HTTPException(413, f"The body has at most {LARGEST_BODY} bytes")
        return message  # type: ignore[no-any-return]

    return counted


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")

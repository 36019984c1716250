"""What every request passes: an id that its log lines carry, one line and one count of its own, security headers, and
an answer when all else failed."""

from __future__ import annotations

import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infinibay import metrics
from infinibay.graphql.context import Context
from infinibay.graphql.errors import masked
from infinibay.log import bound, get_logger
from infinibay.web.responses import error_response

log = get_logger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


class RequestMiddleware:
    """Takes a sensible `X-Request-Id` over or makes one, and sends it back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        if scope["type"] == "websocket":
            await self._watch_socket(scope, receive, send, request_id)
            return
        status: list[int] = []

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        started = time.perf_counter()
        with bound(request_id=request_id):
            try:
                await self._app(scope, receive, with_headers)
            except Exception as error:  # noqa: BLE001 - the last place where a client can still get an answer.
                message, extensions = masked(error)
                if not status:
                    await error_response(500, message, extensions)(scope, receive, with_headers)
            finally:
                _tell(scope, status[0] if status else None, time.perf_counter() - started)

    async def _watch_socket(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        with bound(request_id=request_id), metrics.WEBSOCKETS.track_inprogress():
            log.info("http.socket_opened")
            try:
                await self._app(scope, receive, send)
            finally:
                log.info("http.socket_closed", route=_route(scope), seconds=round(time.perf_counter() - started, 1))


def _tell(scope: Scope, status: int | None, seconds: float) -> None:
    """One line and one observation. Neither has the path, the query or a header in it, for these are the client's."""
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = _route(scope)
    metrics.HTTP_SECONDS.labels(method, route, str(status or "none")).observe(seconds)
    asked: dict[str, object] = {}
    if isinstance(context := scope.get("graphql"), Context):
        asked["fields"] = sorted(context.root_fields)
        asked["user_id"] = context.principal.user_id if context.principal else None
    milliseconds = round(seconds * 1000, 1)
    log.info("http.request", method=method, route=route, status=status, milliseconds=milliseconds, **asked)


def _route(scope: Scope) -> str:
    return str(scope["route"].path) if "route" in scope else "unmatched"


def _request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get("x-request-id", "")
    return sent if _REQUEST_ID.fullmatch(sent) else uuid4().hex

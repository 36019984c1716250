"""Where guests without a port of their own report how their installation goes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infinibay.core.installing import REPORT_PATH
from infinibay.errors import Unauthenticated
from infinibay.services.installations.service import InstallationService
from infinibay.web.authentication import token_of
from infinibay.web.responses import error_response

_MOST_BYTES = 256 * 1024


def routes(installations: InstallationService) -> list[Route]:
    """Lines of JSON (see `infinibay.unattended.reports`), 401 without the token of an installation that goes on."""

    async def hear(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_BYTES:
                return error_response(413, f"At most {_MOST_BYTES} bytes", {"code": "BAD_REQUEST"})
        try:
            await installations.hear(token_of(request.headers.get("authorization")), bytes(body))
        except Unauthenticated as error:
            return error_response(401, error.message, {"code": error.code}, {"www-authenticate": "Bearer"})
        return Response(status_code=204)

    return [Route(REPORT_PATH, hear, methods=["POST"])]

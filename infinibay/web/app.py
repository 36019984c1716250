"""The ASGI application of one process."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Lifespan

from infinibay.graphql.schema import build
from infinibay.services.container import Services
from infinibay.settings import Settings
from infinibay.web import guest_reports, health, metrics, uploads
from infinibay.web.graphql_endpoint import GraphQLEndpoint
from infinibay.web.middleware import RequestMiddleware
from infinibay.web.pages import Page
from infinibay.web.responses import error_response

_CODES = {404: "NOT_FOUND"}
_CORS_SECONDS = 600


def create_app(
    services: Services, settings: Settings, readiness: health.Readiness, lifespan: Lifespan[Starlette] | None = None
) -> Starlette:
    """GraphQL over HTTP and WebSockets, its page, uploads, health and figures. Raises InfinibayError when a root field
    has no rule."""
    endpoint = GraphQLEndpoint(build(), services, settings.graphic_host, settings.allowed_origins)
    page = Page(endpoint)
    return Starlette(
        routes=[
            Route("/graphql", page),
            WebSocketRoute("/graphql", endpoint),
            page.files(),
            *health.routes(readiness),
            *metrics.routes(services.figures),
            *uploads.routes(services),
            *guest_reports.routes(services.installations),
        ],
        middleware=[Middleware(RequestMiddleware), *_cors(settings.allowed_origins)],
        exception_handlers={HTTPException: _refused},
        lifespan=lifespan,
    )


def _cors(origins: tuple[str, ...]) -> list[Middleware]:
    """Nothing is open to other origins unless they are listed."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_credentials="*" not in origins,
            allow_methods=["GET", "POST", "HEAD", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=["x-request-id", *uploads.HEADERS],
            max_age=_CORS_SECONDS,
        )
    ]


async def _refused(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    return error_response(status, detail, {"code": _CODES.get(status, "BAD_REQUEST")})

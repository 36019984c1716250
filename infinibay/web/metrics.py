"""Figures for Prometheus, for whoever has their token."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infinibay import metrics
from infinibay.services.figures import FiguresService
from infinibay.web.authentication import token_of
from infinibay.web.responses import error_response


def routes(figures: FiguresService) -> list[Route]:
    """`/metrics` is 401 without `Authorization: Bearer <token>`."""

    async def scrape(request: Request) -> Response:
        if not figures.admits(token_of(request.headers.get("authorization"))):
            return error_response(
                401,
                "The figures need the token of the file metrics-token",
                {"code": "UNAUTHENTICATED"},
                {"www-authenticate": "Bearer"},
            )
        return Response(await figures.text(), media_type=metrics.CONTENT_TYPE)

    return [Route("/metrics", scrape)]

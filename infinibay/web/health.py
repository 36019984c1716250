"""Whether the process lives, and whether the product can work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

# Each part's reason for not working; None where it works.
Readiness = Callable[[], Awaitable[Mapping[str, str | None]]]


def routes(readiness: Readiness) -> list[Route]:
    """`/health/live` is 200 while the process answers; `/health/ready` is 503 with the reasons when a part fails."""

    async def live(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready(_request: Request) -> JSONResponse:
        reasons = await readiness()
        works = all(reason is None for reason in reasons.values())
        checks = {name: {"ok": reason is None, "reason": reason} for name, reason in reasons.items()}
        body = {"status": "ready" if works else "not ready", "checks": checks}
        return JSONResponse(body, status_code=200 if works else 503)

    return [Route("/health/live", live), Route("/health/ready", ready)]

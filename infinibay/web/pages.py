"""GraphiQL for browsers: a page and its files, bundled at preparation time and served from here alone."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

_BUILT = Path(__file__).with_name("static")
_INDEX = "index.html"
# The editors set styles on elements and carry their fonts inside their style sheet; nothing else is let in.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".ttf": "font/ttf", ".txt": "text/plain"}
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>infinibay</title>
<h1>infinibay</h1>
<p>This is the GraphQL interface: send queries by POST as application/json.</p>
<p>The page to explore it has not been built. <code>scripts/prepare</code> builds it; then start the server again.</p>
</html>
"""


class Page:
    """Stands before an endpoint: a browser gets the page, every other request goes on to the endpoint. Without a built
    page in the folder, a sentence says so in its place."""

    def __init__(self, endpoint: ASGIApp, folder: Path = _BUILT) -> None:
        self._endpoint = endpoint
        index = folder / _INDEX
        self._html = index.read_text() if index.exists() else None
        self._files = {path.name: path for path in folder.glob("*") if path.suffix in _TYPES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", ""):
            headers = {"content-security-policy": _POLICY, "vary": "accept"}
            await HTMLResponse(self._html or _NOT_BUILT, headers=headers)(scope, receive, send)
        else:
            await self._endpoint(scope, receive, send)

    def files(self) -> Route:
        """Where the page's files are."""
        return Route("/page/{name}", self._file)

    async def _file(self, request: Request) -> Response:
        """A file, compressed for those who take it. Its name changes with its content, so it never gets old."""
        path = self._files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        tag = f'W/"{path.name}"'
        headers = {
            "cache-control": "public, max-age=31536000, immutable",
            "content-security-policy": _POLICY,
            "etag": tag,
            "vary": "accept-encoding",
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        kind = _TYPES[path.suffix]
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            path = path.with_name(f"{path.name}.gz")
        return FileResponse(path, headers=headers, media_type=kind)

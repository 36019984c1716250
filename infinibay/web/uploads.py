"""/isoUpload: a form with a file, as existing dashboards send it, or the resumable protocol of tus (version 1.0.0)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from infinibay.core.access import Principal, Rule, allows
from infinibay.core.identifiers import canonical
from infinibay.errors import (
    BadUserInput,
    Conflict,
    FieldProblem,
    Forbidden,
    InfinibayError,
    NoSpace,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UploadBusy,
)
from infinibay.graphql.errors import explained
from infinibay.services.container import Services
from infinibay.services.isos.uploads import LARGEST_BYTES, Upload
from infinibay.web.authentication import identify
from infinibay.web.multipart import FormFile
from infinibay.web.responses import JSON, encoded

T = TypeVar("T")
PATH = "/isoUpload"
HEADERS = ("Location", "Tus-Resumable", "Upload-Offset", "Upload-Length", "Iso-Id", "Iso-Filename")
_VERSION = "1.0.0"
_OFFSET_TYPE = "application/offset+octet-stream"
_SILENT_SECONDS = 60
_ACTION = "isoUpload"
# The first that fits; the codes are those of GraphQL.
_STATUSES: tuple[tuple[type[InfinibayError], int], ...] = (
    (Unauthenticated, 401),
    (Forbidden, 403),
    (TooLarge, 413),
    (BadUserInput, 400),
    (NotFound, 404),
    (UploadBusy, 423),
    (Conflict, 409),
    (NoSpace, 507),
    (Unavailable, 503),
)


class _Silence(Unavailable):
    """The upload stood still for too long; continue it where it stands."""


def routes(services: Services, silent_seconds: float = _SILENT_SECONDS) -> list[Route]:
    """Every request needs an administrator's token, as GraphQL does. One that is silent for so long is ended."""
    uploads = _Uploads(services, silent_seconds)
    return [
        Route(PATH, uploads.collection, methods=["POST", "OPTIONS"]),
        Route(f"{PATH}/{{upload_id}}", uploads.one, methods=["HEAD", "PATCH", "DELETE", "OPTIONS"]),
    ]


class _Uploads:
    def __init__(self, services: Services, silent_seconds: float) -> None:
        self._services = services
        self._silent_seconds = silent_seconds

    async def collection(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return _abilities()
        is_form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
        return await _answered(request, self._form if is_form else self._begin)

    async def one(self, request: Request) -> Response:
        verbs = {"HEAD": self._look, "PATCH": self._add, "DELETE": self._cancel}
        verb = verbs.get(request.method)
        return await _answered(request, verb) if verb else _abilities()

    async def _form(self, request: Request) -> Response:
        caller = await self._caller(request)
        length = _number(request, "content-length")
        form = FormFile(request.headers["content-type"])
        uploads = self._services.iso_uploads

        async def named() -> str | None:
            # The session may have ended while the bytes came.
            await self._caller(request)
            return form.fields.get("os")

        async def upload() -> tuple[str, str, int, str]:
            row = await uploads.at_once(caller, length, form.pieces(self._body(request)), named)
            return row.id, row.filename, row.sizeBytes, row.os

        iso_id, filename, size, system = await self._audited(caller, {"length": length}, upload)
        body = {
            "message": "ISO uploaded",
            "bytesReceived": size,
            "fileName": filename,
            "os": system,
            "isoId": iso_id,
        }
        return Response(encoded(body), media_type=JSON)

    async def _begin(self, request: Request) -> Response:
        caller = await self._caller(request)
        length = _number(request, "upload-length")
        system = _metadata(request).get("os")

        async def begin() -> Upload:
            return await self._services.iso_uploads.begin(caller, length, system)

        upload = await self._audited(caller, {"length": length, "os": system}, begin)
        headers = {"Location": f"{PATH}/{upload.id}", "Upload-Offset": "0"}
        return _empty(201, headers)

    async def _look(self, request: Request) -> Response:
        upload = await self._services.iso_uploads.find(await self._caller(request), _id(request))
        headers = {"Upload-Offset": str(upload.offset), "Upload-Length": str(upload.length)}
        return _empty(200, headers)

    async def _add(self, request: Request) -> Response:
        caller, upload_id, uploads = await self._caller(request), _id(request), self._services.iso_uploads
        if request.headers.get("content-type", "").lower() != _OFFSET_TYPE:
            return _error(415, BadUserInput(FieldProblem("content-type", f"Send it as {_OFFSET_TYPE}")))
        offset = _number(request, "upload-offset")
        upload = await uploads.add(caller, upload_id, offset, self._body(request))
        headers = {"Upload-Offset": str(upload.offset)}
        if upload.offset == upload.length:
            # The session may have ended while the bytes came.
            caller = await self._caller(request)

            async def finish() -> tuple[str, str]:
                row = await uploads.finish(caller, upload_id)
                return row.id, row.filename

            iso_id, filename = await self._audited(caller, {"uploadId": upload_id}, finish)
            headers |= {"Iso-Id": iso_id, "Iso-Filename": filename}
        return _empty(204, headers)

    async def _cancel(self, request: Request) -> Response:
        caller, upload_id = await self._caller(request), _id(request)

        async def cancel() -> None:
            await self._services.iso_uploads.cancel(caller, upload_id)

        await self._audited(caller, {"uploadId": upload_id, "cancel": True}, cancel)
        return _empty(204)

    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        """The request's body as it comes. Raises ClientDisconnect, or _Silence when nothing comes."""
        stream = request.stream()
        while True:
            try:
                async with asyncio.timeout(self._silent_seconds):
                    piece = await anext(stream, None)
            except TimeoutError as error:
                raise _Silence from error
            if piece is None:
                return
            yield piece

    async def _caller(self, request: Request) -> Principal:
        """The administrator behind the request. Raises Unauthenticated (or Unavailable) or Forbidden."""
        identity = await identify(self._services.auth, request.headers.get("authorization"))
        if identity.principal is None:
            raise identity.refusal or Unauthenticated
        if not allows(Rule.ADMIN, identity.principal):
            await self._services.audit.end(
                await self._services.audit.begin(identity.principal, _ACTION, None, {}), Forbidden.code
            )
            raise Forbidden
        return identity.principal

    async def _audited(self, caller: Principal, arguments: dict[str, object], call: Callable[[], Awaitable[T]]) -> T:
        audit = self._services.audit
        entry = await audit.begin(caller, _ACTION, None, arguments)
        outcome = InfinibayError.code
        try:
            result = await call()
            outcome = "ok"
            return result
        except InfinibayError as error:
            outcome = error.code
            raise
        finally:
            await audit.end(entry, outcome)


async def _answered(request: Request, verb: Callable[[Request], Awaitable[Response]]) -> Response:
    try:
        return await verb(request)
    except _Silence as error:
        return _error(408, error)
    except ClientDisconnect:
        # Nobody reads it; what came is kept where it can be continued.
        return _error(400, BadUserInput(message="The upload was cut off"))
    except InfinibayError as error:
        return _error(next((status for kind, status in _STATUSES if isinstance(error, kind)), 500), error)


def _id(request: Request) -> str:
    """Raises NotFound for what is no id, so that no text of a client ever becomes a path."""
    upload_id = canonical(request.path_params["upload_id"])
    if upload_id is None:
        raise NotFound("There is no such upload")
    return upload_id


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadUserInput(FieldProblem(header, f"The header {header} must be a whole number of bytes"))
    return int(text)


def _metadata(request: Request) -> dict[str, str]:
    """The pairs of Upload-Metadata: a key, a blank, the value in base64."""
    found = {}
    for pair in request.headers.get("upload-metadata", "").split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BadUserInput(FieldProblem("upload-metadata", "The values of Upload-Metadata are base64")) from error
    return found


def _abilities() -> Response:
    return _empty(
        204, {"Tus-Version": _VERSION, "Tus-Extension": "creation,termination", "Tus-Max-Size": str(LARGEST_BYTES)}
    )


def _empty(status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": _VERSION, **(headers or {})})


def _error(status: int, error: InfinibayError) -> Response:
    """The shape of GraphQL's errors, and the sentence where existing dashboards look for it."""
    message, extensions = explained(error)
    body = {"error": message, "errors": [{"message": message, "extensions": extensions}]}
    headers = {"Tus-Resumable": _VERSION, **({"www-authenticate": "Bearer"} if status == 401 else {})}
    return Response(encoded(body), status_code=status, media_type=JSON, headers=headers)

"""Uploads as clients make them: a form at once, or piece by piece by the protocol of tus."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx

from infinibay.core.access import Role
from tests.support.library import Shelf

BOUNDARY = "boundary-of-the-form"
_FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
_OFFSET = {"content-type": "application/offset+octet-stream"}


def form(
    content: bytes, fields: dict[str, str] | None = None, filename: str = "my.iso", *, file_first: bool = True
) -> bytes:
    """The body of a form with a file and other fields, in either order."""
    file = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/x-iso9660-image\r\n\r\n"
    ).encode() + content
    others = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in (fields or {}).items()
    ]
    parts = [file, *others] if file_first else [*others, file]
    return b"\r\n".join(parts) + f"\r\n--{BOUNDARY}--\r\n".encode()


class Uploader:
    """A client of one role, or of nobody."""

    def __init__(self, shelf: Shelf, client: httpx.AsyncClient, role: Role | None = Role.ADMIN) -> None:
        self._client = client
        self.headers = {"authorization": f"Bearer {shelf.api.tokens[role]}"} if role else {}

    async def form(self, body: bytes | AsyncIterator[bytes], headers: dict[str, str] | None = None) -> httpx.Response:
        return await self._client.post("/isoUpload", content=body, headers={**self.headers, **_FORM, **(headers or {})})

    async def begin(self, length: int | str, **metadata: str) -> httpx.Response:
        pairs = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
        headers = {**self.headers, "tus-resumable": "1.0.0", "upload-length": str(length)}
        return await self._client.post(
            "/isoUpload", headers={**headers, **({"upload-metadata": pairs} if pairs else {})}
        )

    async def begun(self, length: int, **metadata: str) -> str:
        """Where the new upload is continued."""
        answer = await self.begin(length, **metadata)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    async def offset(self, place: str) -> int:
        answer = await self._client.head(place, headers=self.headers)
        assert answer.status_code == 200
        return int(answer.headers["upload-offset"])

    async def add(self, place: str, offset: int | str, content: bytes | AsyncIterator[bytes]) -> httpx.Response:
        headers = {**self.headers, **_OFFSET, "upload-offset": str(offset)}
        return await self._client.patch(place, content=content, headers=headers)

    async def cancel(self, place: str) -> httpx.Response:
        return await self._client.delete(place, headers=self.headers)


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and sentence of a refusal, which stands at both places where clients look."""
    body: dict[str, Any] = answer.json()
    (error,) = body["errors"]
    assert error["message"] == body["error"]
    return answer.status_code, body["error"]

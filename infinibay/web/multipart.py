"""One file of a form, read as it comes: no part of it is ever whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import Message

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from infinibay.errors import BadUserInput, FieldProblem

_LONGEST_VALUE = 1000
_MOST_PARTS = 20


class FormFile:
    """The pieces of the field `file`; once they have all come, `fields` holds the others, whatever their order."""

    def __init__(self, content_type: str) -> None:
        """Raises BadUserInput when it is no form."""
        header = _parameters("content-type", content_type)
        boundary = header.get("boundary")
        if not boundary:
            raise _malformed("The form has no boundary")
        self.fields: dict[str, str] = {}
        self.has_ended = False
        self.found = False
        self._headers: list[tuple[bytearray, bytearray]] = []
        self._name = ""
        self._value = bytearray()
        self._pieces: list[bytes] = []
        self._parts = 0
        self._parser = MultipartParser(
            boundary.encode("latin-1", "replace"),
            {
                "on_part_begin": self._begin_part,
                "on_part_data": self._take,
                "on_part_end": self._end_part,
                "on_header_begin": lambda: self._headers.append((bytearray(), bytearray())),
                "on_header_field": lambda data, start, end: self._headers[-1][0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._headers[-1][1].extend(data[start:end]),
                "on_headers_finished": self._name_part,
                "on_end": self._end,
            },
        )

    async def pieces(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The file's bytes. Raises BadUserInput for a malformed form, one that ends too early or has no file."""
        async for chunk in body:
            try:
                self._parser.write(chunk)
            except MultipartParseError as error:
                raise _malformed("The form can't be read") from error
            for piece in self._pieces:
                yield piece
            self._pieces.clear()
        if not self.has_ended:
            raise _malformed("The form ends too early")
        if not self.found:
            raise BadUserInput(FieldProblem("file", "The form has no file"))

    def _begin_part(self) -> None:
        self._headers.clear()
        self._value.clear()
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _malformed(f"The form has more than {_MOST_PARTS} fields")

    def _name_part(self) -> None:
        sent = {bytes(name).decode("latin-1").lower(): bytes(value).decode("latin-1") for name, value in self._headers}
        # The file's own name is the client's, and nobody looks at it.
        self._name = _parameters("content-disposition", sent.get("content-disposition", "")).get("name", "")
        if self._name == "file":
            if self.found:
                raise _malformed("The form has more than one file")
            self.found = True

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._pieces.append(data[start:end])
        else:
            self._value += data[start:end]
            if len(self._value) > _LONGEST_VALUE:
                raise _malformed(f"A field of the form has more than {_LONGEST_VALUE} bytes")

    def _end_part(self) -> None:
        if self._name != "file":
            self.fields[self._name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self.has_ended = True


def _parameters(name: str, header: str) -> dict[str, str]:
    message = Message()
    message[name] = header.replace("\r", " ").replace("\n", " ")
    found = message.get_params(header=name, unquote=True) or []
    return {key.lower(): value for key, value in found if isinstance(value, str)}


def _malformed(message: str) -> BadUserInput:
    return BadUserInput(FieldProblem("file", message))

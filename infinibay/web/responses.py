"""JSON answers outside of GraphQL's own, in GraphQL's shape of errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

JSON = "application/json; charset=utf-8"


def encoded(value: object) -> bytes:
    """JSON; falls back to the slower encoder for what orjson refuses (lone surrogates, numbers beyond 64 bits)."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode("ascii")


def error_response(
    status: int, message: str, extensions: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """`{"errors": [{"message", "extensions"}]}`."""
    body = encoded({"errors": [{"message": message, "extensions": dict(extensions)}]})
    return Response(body, status_code=status, media_type=JSON, headers=headers)

"""How the durable engine stores values: plain JSON, because unpickling from a database would run code."""

from __future__ import annotations

import json
from typing import Any

from dbos import Serializer

from infinibay.log import get_logger

log = get_logger(__name__)


class JsonSerializer(Serializer):
    """Arguments and outcomes of workflows and steps as JSON; an exception becomes the name of its type."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=_without_content, separators=(",", ":"))

    def deserialize(self, serialized_data: str) -> Any:
        return _restored(json.loads(serialized_data))

    def name(self) -> str:
        return "infinibay_json"


class StoredError(Exception):
    """An error that the durable engine kept; its text was logged where it happened and is not stored."""


def _without_content(value: Any) -> Any:
    if isinstance(value, BaseException):
        log.error("operations.engine_error", exc_info=value)
        return {"error_type": type(value).__name__}
    raise TypeError(f"{type(value).__name__} must not be stored by the durable engine")


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"error_type"}:
        return StoredError(value["error_type"])
    return value

"""Structured logs: JSON lines (or text on a terminal) with request and operation ids, secrets replaced.

Ids are bound by `bound(request_id=…)`; every line written inside carries them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

import structlog

# These write whole requests, frames, paths, SQL parameters and addresses with passwords into lines below warnings.
_TALKATIVE = ("httpx", "httpcore", "uvicorn", "websockets", "prisma", "sqlalchemy", "asyncio")
_SECRET_ENDINGS = ("password", "passwd", "token", "authorization", "secret", "tokenkey", "productkey", "product_key")


def _replace_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = _without_secrets(key, value)
    return event


def _without_secrets(key: str, value: Any) -> Any:
    name = key.lower()
    if name == "key" or name.endswith(_SECRET_ENDINGS):
        return "***" if value is not None else None
    if isinstance(value, Mapping):
        return {inner: _without_secrets(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets("", held) for held in value]
    return value


def configure(*, level: str = "INFO", json: bool | None = None) -> None:
    """Sends all logging, ours and libraries', to stderr; JSON unless stderr is a terminal."""
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _replace_secrets,
    ]
    # Plain tracebacks: the other kind prints local variables, and so secrets.
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; call `log.info("event.name", key=value)` with short dotted event names."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def bound(**ids: str | None) -> AbstractContextManager[None]:
    """Binds ids (request_id, operation_id, machine_id) to every line logged inside the block."""
    return structlog.contextvars.bound_contextvars(**ids)

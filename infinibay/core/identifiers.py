"""Ids of rows: UUIDs in the one form that the database writes."""

from __future__ import annotations

import re

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def canonical(text: str) -> str | None:
    """The id in the database's form; None for what is no id."""
    lowered = text.lower() if text.isascii() else ""
    return lowered if _UUID.fullmatch(lowered) else None

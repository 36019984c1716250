"""Opaque cursors of pages that are ordered by creation time and id."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from uuid import UUID

from infinibay.errors import BadUserInput, FieldProblem


def encode(at: datetime, row_id: str) -> str:
    """A text that `decode` takes; clients pass it on unread."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), row_id]).encode()).decode()


def decode(cursor: str) -> tuple[datetime, str]:
    """Creation time and id. BadUserInput for anything that `encode` did not make."""
    try:
        at, row_id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        return datetime.fromisoformat(at), str(UUID(row_id))
    except (ValueError, TypeError, binascii.Error, UnicodeError):
        raise BadUserInput(FieldProblem("after", "The cursor is not one that was given out")) from None

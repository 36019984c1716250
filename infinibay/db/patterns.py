"""Texts inside the patterns that Prisma makes of them."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    """A text for `contains`, which becomes a LIKE pattern, in which these would have a meaning of their own."""
    return re.sub(r"([\\%_])", r"\\\1", text)

"""GraphQL's own refusals print the value that was sent, whole input objects with their passwords among them."""

from __future__ import annotations

import re

# Each ends the sentence that it stands in: what follows is the client's.
_OBJECT = re.compile(r"(?:[,;] found|(?<=[.?]) Found): .*", re.DOTALL)
_SCALAR = re.compile(r"(cannot represent [^:]*): .*", re.DOTALL)
_TOKEN = re.compile(r"((?:Block)?String) (?:'.*'|\".*\")", re.DOTALL)


def without_values(message: str) -> str:
    """A refusal before the execution that still says where and why, but no longer what was sent."""
    shortened = _SCALAR.sub(r"\1", _OBJECT.sub("", message))
    return shortened if shortened.endswith((".", "?")) else f"{shortened}."


def without_texts(message: str) -> str:
    """A syntax error that does not show the text in quotes that it met."""
    return _TOKEN.sub(r"\1", message)

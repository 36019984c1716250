"""What no text of a client may hold, whatever field it is for: checked once, before any resolver."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from infinibay.errors import BadUserInput, FieldProblem

LONGEST_TEXT = 20_000
LONGEST_LIST = 1000
DEEPEST = 20
_LARGEST = 2**63 - 1
# PostgreSQL keeps neither, and no file system or XML carries them.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def check(arguments: Mapping[str, Any]) -> None:
    """Walks all values of a root field's arguments. Raises BadUserInput that names every wrong field."""
    problems: list[FieldProblem] = []
    waiting: list[tuple[str, Any, int]] = [(name, value, 0) for name, value in arguments.items()]
    while waiting:
        path, value, depth = waiting.pop()
        field = path.removeprefix("input.")
        if message := _problem(value, depth):
            problems.append(FieldProblem(field, f"{field} {message}"))
        elif isinstance(value, Mapping):
            for key, item in value.items():
                if _UNSTORABLE.search(str(key)):
                    problems.append(FieldProblem(field, f"{field} has a key with characters that can't be kept"))
                else:
                    waiting.append((f"{path}.{key}", item, depth + 1))
        elif isinstance(value, (list, tuple)):
            waiting += [(f"{path}.{position}", item, depth + 1) for position, item in enumerate(value)]
    if problems:
        raise BadUserInput(*sorted(problems, key=lambda problem: problem.field))


def _problem(value: Any, depth: int) -> str | None:
    """What is wrong with one value by itself, as the end of a sentence that begins with its field."""
    match value:
        case str():
            return _text_problem(value)
        case bool() | None:
            return None
        case int() if not -_LARGEST - 1 <= value <= _LARGEST:
            return "does not fit into 64 bits"
        case float() if not math.isfinite(value):
            return "is not a finite number"
        case Mapping() | list():
            return _container_problem(value, depth)
    return None


def _text_problem(text: str) -> str | None:
    if len(text) > LONGEST_TEXT:
        return f"has at most {LONGEST_TEXT} characters, not {len(text)}"
    if _UNSTORABLE.search(text):
        return "has NUL characters or lone surrogates, which can't be kept"
    return None


def _container_problem(value: Mapping[Any, Any] | list[Any], depth: int) -> str | None:
    if len(value) > LONGEST_LIST:
        return f"has at most {LONGEST_LIST} items, not {len(value)}"
    if depth > DEEPEST:
        return f"is nested deeper than {DEEPEST} levels"
    return None

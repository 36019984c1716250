"""How a value becomes one word of each language that is text only. Each refuses what its language can't hold."""

from __future__ import annotations

import shlex

from infinibay.errors import BadUserInput, FieldProblem


def shell_word(value: str) -> str:
    """A word of a POSIX shell; newlines are kept. Raises BadUserInput for NUL."""
    _refuse(value, "\0", "A command")
    return shlex.quote(value)


def kickstart_word(value: str) -> str:
    """A word of a kickstart command. Raises BadUserInput for line ends and NUL."""
    _refuse(value, "\0\r\n", "A kickstart file")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def preseed_value(value: str) -> str:
    """A value of a preseed line. Raises BadUserInput for line ends, NUL, blanks at its ends and a last backslash."""
    _refuse(value, "\0\r\n", "A preseed file")
    if value != value.strip() or value.endswith("\\"):
        raise BadUserInput(
            FieldProblem("value", "A preseed file can't hold this value: it has blanks at its ends or a last backslash")
        )
    return value


def _refuse(value: str, characters: str, place: str) -> None:
    """The value may be a secret, so the message does not repeat it."""
    if not set(characters).isdisjoint(value):
        raise BadUserInput(FieldProblem("value", f"{place} can't hold this value: it has line ends or NUL"))

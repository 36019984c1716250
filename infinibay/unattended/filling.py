"""How values come into commands and scripts: as data, wherever in the text their places are.

A quoted value would be safe only where a word may stand: inside quotes its own quotes end them, and its line end ends a
comment. So a POSIX shell finds the values in variables that are set before the text, and the other languages get an
expression of numbers alone, which does nothing where it is no code. What a text evaluates itself (`eval`) stays code.
Where a shell takes its text as it stands no value can come: `shell_quoting` finds these places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from infinibay.errors import BadUserInput, FieldProblem
from infinibay.unattended.installation import Interpreter
from infinibay.unattended.quoting import shell_word


def fill(text: str, place: re.Pattern[str], values: Mapping[str, str], interpreter: Interpreter) -> str:
    """The text with each value as one word at its places. Raises BadUserInput where the language can't hold any."""
    if not place.search(text):
        return text
    match interpreter:
        case "sh" | "bash":
            return _fill_shell(text, place, values)
        case "python3":
            return place.sub(lambda found: _python_expression(values[found[1]]), text)
        case "powershell":
            return place.sub(lambda found: _powershell_expression(values[found[1]]), text)
        case "cmd":
            raise BadUserInput(FieldProblem("value", "A batch file can't hold values"))


def _fill_shell(text: str, place: re.Pattern[str], values: Mapping[str, str]) -> str:
    used = sorted(set(place.findall(text)))
    variables = {name: f"infinibay_value_{number}" for number, name in enumerate(used, 1)}
    before = "".join(f"{variable}={shell_word(values[name])}\n" for name, variable in variables.items())
    return before + place.sub(lambda found: _reference(variables[found[1]]), text)


def _reference(variable: str) -> str:
    """Quotes inside of an expansion neither end those around it nor stay in a here-document."""
    return f'${{{variable}+"${variable}"}}'


def _python_expression(value: str) -> str:
    return f"bytes({list(value.encode())}).decode()"


def _powershell_expression(value: str) -> str:
    """A subexpression is also evaluated between double quotes. Without characters there is nothing to join."""
    units = value.encode("utf-16-le")
    codes = ",".join(str(int.from_bytes(units[at : at + 2], "little")) for at in range(0, len(units), 2))
    return f"$(-join[char[]]@({codes}))"

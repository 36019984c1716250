"""What an application or script asks of whoever uses it: the rules of its parameters, and of the values given."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind = Literal["text", "password", "number", "boolean", "select"]
Value: TypeAlias = str | int | float | bool

MOST_PARAMETERS = 50
LONGEST_VALUE = 4096
LONGEST_LABEL = 200
# Up to here every whole number is exact, whatever reads it.
_LARGEST = 2**53
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
# The places of values in a command and in a script.
COMMAND_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")
SCRIPT_PLACE = re.compile(r"\$\{\{\s*inputs\.([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")


@dataclass(frozen=True)
class Option:
    """One choice of a `select`."""

    value: str
    label: str


@dataclass(frozen=True)
class Parameter:
    """`least` and `most` limit a number, or how many characters a text or password has. A password's value is
    secret."""

    name: str
    label: str
    kind: Kind = "text"
    description: str | None = None
    required: bool = False
    default: Value | None = None
    options: tuple[Option, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Resolved:
    """The text for each parameter, and what is wrong with the given values; the messages repeat no value."""

    values: Mapping[str, str]
    problems: tuple[str, ...]


def definition_problems(parameters: Iterable[Parameter]) -> list[str]:
    """What is wrong with parameters as such."""
    known = list(parameters)
    problems = [problem for parameter in known for problem in _own_problems(parameter)]
    names = [parameter.name for parameter in known]
    problems += [f"{name} is defined twice" for name in sorted({name for name in names if names.count(name) > 1})]
    if len(known) > MOST_PARAMETERS:
        problems.append(f"There are at most {MOST_PARAMETERS} parameters, not {len(known)}")
    return problems


def unknown_places(text: str, place: re.Pattern[str], parameters: Iterable[Parameter]) -> list[str]:
    """The names that a text has places for and that no parameter has."""
    return sorted(set(place.findall(text)) - {parameter.name for parameter in parameters})


def resolve(parameters: Iterable[Parameter], given: Mapping[str, Any]) -> Resolved:
    """Compares the given values with the parameters; what is not given has its default, or is empty."""
    known = {parameter.name: parameter for parameter in parameters}
    problems = [f"there is no {name[:80]!r} to give" for name in given if name not in known]
    values = {}
    for name, parameter in known.items():
        value = given.get(name)
        if value is None:
            if parameter.required and parameter.default is None:
                problems.append(f"{name} must be given")
            value = parameter.default
        if value is None:
            values[name] = ""
        elif problem := _value_problem(parameter, value):
            problems.append(f"{name} {problem}")
        else:
            values[name] = _text(value)
    return Resolved(values, tuple(problems))


def _own_problems(parameter: Parameter) -> list[str]:
    if not _NAME.fullmatch(parameter.name):
        return ["A name has 1 to 64 of A-Z, a-z, 0-9, _ and -, and begins with a letter or _"]
    problems = []
    if not 1 <= len(parameter.label.strip()) <= LONGEST_LABEL:
        problems.append(f"the label has 1 to {LONGEST_LABEL} characters")
    if (parameter.kind == "select") != bool(parameter.options):
        problems.append("a select, and only a select, has options")
    if len({option.value for option in parameter.options}) < len(parameter.options):
        problems.append("two options have the same value")
    if parameter.kind in {"boolean", "select"} and (parameter.least is not None or parameter.most is not None):
        problems.append(f"a {parameter.kind} has no min and max")
    if parameter.least is not None and parameter.most is not None and parameter.least > parameter.most:
        problems.append("min is more than max")
    if parameter.default is not None and parameter.kind == "password":
        problems.append("a password has no default, since everybody could read it")
    elif parameter.default is not None and (wrong := _value_problem(parameter, parameter.default)):
        problems.append(f"the default {wrong}")
    return [f"{parameter.name}: {problem}" for problem in problems]


def _value_problem(parameter: Parameter, value: Any) -> str | None:
    """The end of a sentence that begins with the parameter's name."""
    match parameter.kind:
        case "number":
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST:
                return f"must be a number of at most {_LARGEST}"
            return _limits_problem(parameter, value, "")
        case "boolean":
            return None if isinstance(value, bool) else "must be true or false"
        case "select":
            known = [option.value for option in parameter.options]
            return None if value in known else f"must be one of {', '.join(known)}"
        case "text" | "password":
            return _text_problem(parameter, value)


def _text_problem(parameter: Parameter, value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be a text"
    if len(value) > LONGEST_VALUE:
        return f"must have at most {LONGEST_VALUE} characters"
    if any(character == "\0" or unicodedata.category(character) == "Cs" for character in value):
        return "must not hold NUL or half characters"
    return _limits_problem(parameter, len(value), " characters")


def _limits_problem(parameter: Parameter, size: float, unit: str) -> str | None:
    if parameter.least is not None and size < parameter.least:
        return f"must be at least {_text(parameter.least)}{unit}"
    if parameter.most is not None and size > parameter.most:
        return f"must be at most {_text(parameter.most)}{unit}"
    return None


def _text(value: Value) -> str:
    """As a person would write it: `true`, `5`, `0.5`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)

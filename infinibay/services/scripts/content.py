"""What a script's text says: in which language it is, what it asks for, and its body.

The text is YAML or JSON. YAML is read without aliases, by which a short text would become an endless one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from infinibay.core.parameters import SCRIPT_PLACE, Parameter, unknown_places
from infinibay.core.scripts import Shell
from infinibay.core.shell_quoting import LITERAL, literal_places
from infinibay.errors import FieldProblem
from infinibay.services.parameters import Definition, Strict, Text, messages, parameters_of, refusal
from infinibay.unattended.installation import Interpreter

Format = Literal["YAML", "JSON"]

_FIELD = "content"
_DEEPEST = 20


def _lower(word: Any) -> Any:
    return word.lower() if isinstance(word, str) else word


class _Written(Strict):
    """The first five stand in files that people share; what counts of them is what is given beside the content."""

    name: Any = None
    description: Any = None
    category: Any = None
    tags: Any = None
    version: Any = None
    os: list[Literal["linux", "windows"]] | None = None
    shell: Annotated[Interpreter, BeforeValidator(_lower)]
    inputs: list[Definition] = Field(default_factory=list)
    script: Text


@dataclass(frozen=True)
class Content:
    """A content that holds together; `definitions` are the inputs as JSON."""

    shell: Interpreter
    parameters: tuple[Parameter, ...]
    definitions: tuple[dict[str, Any], ...]
    body: str


def read_content(kind: Format, text: str) -> Content:
    """Raises BadUserInput for the field `content`."""
    document = _yaml(text) if kind == "YAML" else _json(text)
    if not isinstance(document, dict):
        _refuse("The content must be an object with shell, inputs and script")
    try:
        written = _Written.model_validate(document)
    except ValidationError as error:
        raise refusal(_FIELD, messages(error)) from error
    parameters = parameters_of(_FIELD, written.inputs)
    if problems := _problems(written, Shell(written.shell), parameters):
        raise refusal(_FIELD, problems)
    definitions = tuple(one.model_dump(exclude_defaults=True) for one in written.inputs)
    return Content(written.shell, parameters, definitions, written.script)


def place_problems(content: Content) -> list[FieldProblem]:
    """What forbids to keep it: places in which a value would not be put."""
    if content.shell not in {"sh", "bash"}:
        return []
    return [
        FieldProblem(_FIELD, f"script: There is a place for {name} {LITERAL}")
        for name in literal_places(content.body, SCRIPT_PLACE)
    ]


def inputs_of(definitions: list[Any]) -> tuple[Parameter, ...]:
    """The inputs of a script that is kept."""
    return tuple(Definition.model_validate(one).to_parameter() for one in definitions)


def _problems(written: _Written, shell: Shell, parameters: tuple[Parameter, ...]) -> list[str]:
    system = "windows" if shell.is_windows else "linux"
    problems = []
    if not written.script.strip():
        problems.append("script: The script is empty")
    if written.os is not None and set(written.os) != {system}:
        problems.append(f"os: A script in {shell} runs on {system} alone")
    if parameters and not shell.takes_values:
        problems.append("inputs: A script in cmd can't hold values safely; write it in powershell")
    problems += [
        f"script: There is a place for {name[:80]}, which is no input"
        for name in unknown_places(written.script, SCRIPT_PLACE, parameters)
    ]
    return problems


def _yaml(text: str) -> Any:
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                _refuse("The YAML must not have aliases")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                _refuse(f"The YAML is nested deeper than {_DEEPEST} levels")
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(f"The content is no YAML: {error.problem}" + (f" in line {mark.line + 1}" if mark else ""))
    except (yaml.YAMLError, ValueError):  # Characters and numbers that can't be.
        _refuse("The content is no YAML")


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: _refuse("The JSON has a number that is none"))
    except json.JSONDecodeError as error:
        _refuse(f"The content is no JSON: {error.msg} in line {error.lineno}")
    except (ValueError, RecursionError):
        _refuse("The content is no JSON")


def _refuse(message: str) -> NoReturn:
    raise refusal(_FIELD, [message])

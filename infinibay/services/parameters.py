"""Parameters as people write them, in a script's content or beside an application's commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from infinibay.core.parameters import Kind, Option, Parameter, definition_problems
from infinibay.errors import BadUserInput, FieldProblem

_MOST_PROBLEMS = 20


def _storable(text: str) -> str:
    """Escapes in the text make characters that the text itself could not have."""
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise PydanticCustomError("unstorable", "It has NUL or half characters")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class Strict(BaseModel):
    """Nothing is converted, and nothing unknown is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Choice(Strict):
    """An option of a select."""

    value: Text
    label: Text | None = None


class Limits(Strict):
    """Of a number, or of how many characters a text has."""

    min: float | None = None
    max: float | None = None


class Definition(Strict):
    """One parameter; the type of its default is checked with the others' rules."""

    name: str
    type: Kind = "text"
    label: Text | None = None
    description: Text | None = None
    required: bool = False
    default: Any = None
    options: list[Choice] = Field(default_factory=list)
    validation: Limits = Limits()

    def to_parameter(self) -> Parameter:
        return Parameter(
            name=self.name,
            label=self.label or self.name,
            kind=self.type,
            description=self.description,
            required=self.required,
            default=self.default,
            options=tuple(Option(one.value, one.label or one.value) for one in self.options),
            least=self.validation.min,
            most=self.validation.max,
        )


def parameters_of(field: str, definitions: Sequence[Definition]) -> tuple[Parameter, ...]:
    """Raises BadUserInput that names the field."""
    parameters = tuple(definition.to_parameter() for definition in definitions)
    if problems := definition_problems(parameters):
        raise refusal(field, problems)
    return parameters


def read_parameters(field: str, written: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """By name a definition, or a default alone: `{"channel": "stable", "token": {"type": "password"}}`.

    Null is a text that must be given. Raises BadUserInput that names the field.
    """
    definitions, problems = [], []
    for name, definition in written.items():
        try:
            definitions.append(Definition.model_validate({"name": name, **_defined(definition)}))
        except ValidationError as error:
            problems += [f"{name[:80]}: {message}" for message in messages(error)]
    if problems:
        raise refusal(field, problems)
    return parameters_of(field, definitions)


def messages(error: ValidationError) -> list[str]:
    """What is wrong and where, without the values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [": ".join([*([".".join(map(str, one["loc"]))[:200]] if one["loc"] else []), one["msg"]]) for one in found]


def refusal(field: str, problems: Sequence[str]) -> BadUserInput:
    """All of them lie in one field; nobody reads more than the first."""
    return BadUserInput(*(FieldProblem(field, problem) for problem in problems[:_MOST_PROBLEMS]))


def _defined(written: Any) -> Mapping[str, Any]:
    match written:
        case Mapping():
            return {key: value for key, value in written.items() if key != "name"}
        case bool():
            return {"type": "boolean", "default": written}
        case int() | float():
            return {"type": "number", "default": written}
        case None:
            return {"required": True}
        case _:
            return {"default": written}

"""Scripts as clients see them."""

from __future__ import annotations

from enum import Enum

import strawberry
from strawberry.scalars import JSON

from infinibay.core.parameters import Parameter
from infinibay.core.scripts import Shell
from infinibay.graphql.auth_users.types import UserType
from infinibay.graphql.scalars import DateTimeISO
from infinibay.graphql.scripts.inputs import OS
from infinibay.services.scripts.service import ScriptAnswer, ScriptView


@strawberry.enum
class ShellType(Enum):
    BASH = "bash"
    SH = "sh"
    PYTHON3 = "python3"
    POWERSHELL = "powershell"
    CMD = "cmd"


@strawberry.type
class InputOptionType:
    label: str
    value: str


@strawberry.type
class ScriptInputType:
    """What a script asks for: `type` is text, password, number, boolean or select. `validation` has `min` and `max`
    of a number or of the characters of a text."""

    name: str
    label: str
    type: str
    description: str | None
    required: bool
    default: JSON | None
    options: list[InputOptionType] | None
    validation: JSON | None

    @classmethod
    def from_result(cls, parameter: Parameter) -> ScriptInputType:
        limits = {"min": parameter.least, "max": parameter.most}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        options = [InputOptionType(label=option.label, value=option.value) for option in parameter.options]
        return cls(
            name=parameter.name,
            label=parameter.label,
            type=parameter.kind,
            description=parameter.description,
            required=parameter.required,
            default=None if parameter.default is None else JSON(parameter.default),
            options=options or None,
            validation=JSON(given) if given else None,
        )


@strawberry.type
class ScriptType:
    """A script for first boots. `fileName` is what a file with its content is called, `executionCount` for how many
    first boots it was chosen. Scripts belong to no department yet. Only administrators see another author."""

    id: strawberry.ID
    name: str
    file_name: str
    description: str | None
    category: str | None
    tags: list[str]
    os: list[OS]
    shell: ShellType
    content: str | None
    has_inputs: bool
    input_count: int
    parsed_inputs: list[ScriptInputType]
    execution_count: int | None
    department_count: int | None
    created_by: UserType | None
    created_at: DateTimeISO
    updated_at: DateTimeISO

    @classmethod
    def from_result(cls, view: ScriptView) -> ScriptType:
        row, shell = view.row, Shell(view.row.shell)
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            file_name=f"{row.id}.{row.format.lower()}",
            description=row.description,
            category=row.category,
            tags=row.tags,
            os=[OS.WINDOWS if shell.is_windows else OS.LINUX],
            shell=ShellType(shell.value),
            content=row.content,
            has_inputs=bool(view.inputs),
            input_count=len(view.inputs),
            parsed_inputs=[ScriptInputType.from_result(one) for one in view.inputs],
            execution_count=view.executions,
            department_count=0,
            created_by=UserType.from_row(view.author) if view.author else None,
            created_at=DateTimeISO(row.createdAt),
            updated_at=DateTimeISO(row.updatedAt),
        )


@strawberry.type
class ScriptResponseType:
    """What became of a mutation: `error` says why it had no effect."""

    success: bool
    message: str | None
    error: str | None
    script: ScriptType | None

    @classmethod
    def from_result(cls, answer: ScriptAnswer) -> ScriptResponseType:
        return cls(
            success=answer.success,
            message=answer.message,
            error=None if answer.success else answer.message,
            script=ScriptType.from_result(answer.script) if answer.script else None,
        )

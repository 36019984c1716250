"""The answers of mutations as they are kept under an idempotency key, and made again from it.

Machines, operations, departments, users, applications, scripts, templates, categories, images and media are kept by id
and shown as they are now, a verb by its operation, which is then waited for; everything else is small and kept whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import strawberry

from infinibay.errors import InfinibayError, NotFound
from infinibay.graphql.applications.types import ApplicationType
from infinibay.graphql.auth_users.types import UserType
from infinibay.graphql.common import SuccessType
from infinibay.graphql.context import Context
from infinibay.graphql.departments.types import DepartmentType
from infinibay.graphql.images.types import Image
from infinibay.graphql.isos.types import ISO
from infinibay.graphql.machines.types import CommandExecutionResponseType, Machine
from infinibay.graphql.operations.types import Operation
from infinibay.graphql.scripts.types import ScriptResponseType
from infinibay.graphql.templates.types import MachineTemplateCategoryType, MachineTemplateType
from infinibay.services.departments import DepartmentView
from infinibay.services.scripts.service import ScriptAnswer

_BY_ID: dict[type, str] = {
    Machine: "machine",
    Operation: "operation",
    DepartmentType: "department",
    UserType: "user",
    ApplicationType: "application",
    MachineTemplateType: "template",
    MachineTemplateCategoryType: "category",
    Image: "image",
    ISO: "iso",
}


def frozen(result: object) -> dict[str, Any]:
    """JSON without secrets. Raises InfinibayError for a type that has no way to be kept yet."""
    match result:
        case (
            Machine()
            | Operation()
            | DepartmentType()
            | UserType()
            | ApplicationType()
            | MachineTemplateType()
            | MachineTemplateCategoryType()
            | Image()
            | ISO()
        ):
            return {_BY_ID[type(result)]: str(result.id)}
        case ScriptResponseType():
            script_id = str(result.script.id) if result.script else None
            return {"script": {"success": result.success, "message": result.message, "id": script_id}}
        case SuccessType():
            return {"success": strawberry.asdict(result)}
        case CommandExecutionResponseType():
            return {"command": strawberry.asdict(result)}
        case bool() | int() | str():
            return {"value": result}
        case _:
            raise InfinibayError(f"An answer of type {type(result).__name__} can't be kept")


async def thawed(context: Context, outcome: dict[str, Any]) -> object:
    """The answer that `frozen` took, or that a service settled. NotFound when what is kept by id is gone meanwhile."""
    ((kind, kept),) = outcome.items()
    if kind in _SHOWN:
        return await _as_it_is(context, kind, kept)
    if kind in _MADE_AGAIN:
        return await _MADE_AGAIN[kind](context, kept)
    match kind:
        case "goneDepartment":
            return DepartmentType.from_result(DepartmentView.from_kept(kept))
        case "success":
            return SuccessType(**kept)
        case "command":
            return CommandExecutionResponseType(**kept)
        case _:
            return kept


async def _as_it_is(context: Context, kind: str, kept: str) -> object:
    shown = await _SHOWN[kind](context, kept)
    if shown is None:
        raise NotFound(f"The {kind} of the first answer is gone")
    return shown


async def _awaited(context: Context, kept: dict[str, Any]) -> object:
    await context.services.operations.succeeded(kept["operation"])
    return await thawed(context, kept["answer"])


async def _verb(context: Context, kept: str) -> SuccessType:
    return SuccessType.from_result(await context.services.machines.outcome_of(kept))


async def _machine(context: Context, kept: str) -> object | None:
    machine = await context.services.machines.find(context.caller, kept)
    return Machine.from_row(machine, context.graphic_host) if machine else None


async def _operation(context: Context, kept: str) -> object | None:
    operation = await context.services.operations.find(context.caller, kept)
    return Operation.from_row(operation) if operation else None


async def _department(context: Context, kept: str) -> object | None:
    department = await context.services.departments.find(context.caller, kept)
    return DepartmentType.from_result(department) if department else None


async def _user(context: Context, kept: str) -> object | None:
    return UserType.from_row(await context.services.users.find(kept))


async def _application(context: Context, kept: str) -> object | None:
    row = await context.services.applications.find(kept)
    return ApplicationType.from_row(row) if row else None


async def _script_answer(context: Context, kept: dict[str, Any]) -> ScriptResponseType:
    script = await context.services.scripts.find(context.caller, kept["id"]) if kept["id"] else None
    if kept["id"] and script is None:
        raise NotFound("The script of the first answer is gone")
    return ScriptResponseType.from_result(ScriptAnswer(kept["success"], kept["message"], script))


async def _template(context: Context, kept: str) -> object | None:
    template = await context.services.templates.find(kept)
    return MachineTemplateType.from_result(template) if template else None


async def _category(context: Context, kept: str) -> object | None:
    category = await context.services.template_categories.find(kept)
    return MachineTemplateCategoryType.from_result(category) if category else None


async def _image(context: Context, kept: str) -> object | None:
    image = await context.services.images.find(kept)
    return Image.from_row(image) if image else None


async def _iso(context: Context, kept: str) -> object | None:
    iso = await context.services.isos.find(kept)
    return ISO.from_result(iso) if iso else None


_SHOWN: dict[str, Callable[[Context, str], Awaitable[object | None]]] = {
    "machine": _machine,
    "operation": _operation,
    "department": _department,
    "user": _user,
    "application": _application,
    "template": _template,
    "category": _category,
    "image": _image,
    "iso": _iso,
}
_MADE_AGAIN: dict[str, Callable[[Context, Any], Awaitable[object]]] = {
    "awaited": _awaited,
    "verb": _verb,
    "script": _script_answer,
}

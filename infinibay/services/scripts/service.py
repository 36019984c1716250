"""Scripts: what machines can run at their first boot, with what they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from infinibay.core import naming, sizing
from infinibay.core.access import Principal
from infinibay.core.parameters import Parameter
from infinibay.core.scripts import Shell, label_problems
from infinibay.db import events, rows, scripts
from infinibay.db.client import Database
from infinibay.db.scripts import ScriptValues
from infinibay.errors import BadUserInput, Conflict, FieldProblem, UniqueViolation
from infinibay.services import idempotency
from infinibay.services.scripts.content import Content, Format, inputs_of, place_problems, read_content

_MISSING = "Script not found"


@dataclass(frozen=True)
class ScriptRequest:
    name: str
    format: Format
    content: str
    description: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScriptChanges:
    """None stays as it is; an empty description or category is taken away."""

    name: str | None = None
    content: str | None = None
    description: str | None = None
    category: str | None = None
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ScriptFilter:
    """`search` looks into names and descriptions without case; one of the tags is enough."""

    category: str | None = None
    tags: tuple[str, ...] = ()
    is_windows: bool | None = None
    search: str | None = None


@dataclass(frozen=True)
class ScriptView:
    """A script, what it asks for, and for how many first boots it was chosen. `author` is who may be shown as such."""

    row: rows.Script
    inputs: tuple[Parameter, ...]
    author: rows.User | None
    executions: int = 0


@dataclass(frozen=True)
class ScriptAnswer:
    """What became of a mutation; `script` is None when it is gone or was never there."""

    success: bool
    message: str
    script: ScriptView | None = None

    def kept(self) -> dict[str, dict[str, object]]:
        """The answer under an idempotency key."""
        script_id = self.script.row.id if self.script else None
        return {"script": {"success": self.success, "message": self.message, "id": script_id}}


class ScriptService:
    """Each change writes an event `script.created|updated|deleted` {scriptId, name}."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, principal: Principal, wanted: ScriptFilter) -> Sequence[ScriptView]:
        """By name."""
        shells = None
        if wanted.is_windows is not None:
            shells = [shell.value for shell in Shell if shell.is_windows == wanted.is_windows]
        found = await scripts.list_narrowed(
            self._database, category=wanted.category, tags=wanted.tags, shells=shells, search=wanted.search
        )
        counts = await scripts.count_machines(self._database, [row.id for row in found])
        return [_view(principal, row, counts.get(row.id, 0)) for row in found]

    async def find(self, principal: Principal, script_id: str) -> ScriptView | None:
        row = await scripts.find(self._database, script_id)
        return await self._counted(principal, row) if row else None

    async def create(self, principal: Principal, request: ScriptRequest) -> ScriptAnswer:
        """Raises BadUserInput naming every wrong field, or Conflict when the name is taken."""
        values = _checked(request)
        try:
            async with self._database.tx() as tx:
                row = await scripts.create(tx, values, principal.user_id)
                answer = ScriptAnswer(success=True, message="Script created", script=_view(principal, row))
                await _tell(tx, principal, "script.created", row, answer)
        except UniqueViolation as error:
            raise _taken() from error
        return answer

    async def update(self, principal: Principal, script_id: str, changes: ScriptChanges) -> ScriptAnswer:
        """Machines that are still to be installed get what the script is then. Raises BadUserInput or Conflict."""
        try:
            async with self._database.tx() as tx:
                present = await scripts.lock(tx, script_id)
                if present is None:
                    return ScriptAnswer(success=False, message=_MISSING)
                row = await scripts.update(tx, script_id, _checked(_changed(present, changes))) or present
                counts = await scripts.count_machines(tx, [row.id])
                view = _view(principal, row, counts.get(row.id, 0))
                answer = ScriptAnswer(success=True, message="Script updated", script=view)
                await _tell(tx, principal, "script.updated", row, answer)
        except UniqueViolation as error:
            raise _taken() from error
        return answer

    async def delete(self, principal: Principal, script_id: str, *, force: bool) -> ScriptAnswer:
        """One that machines were made with only by force, and then too not before these are installed."""
        async with self._database.tx() as tx:
            row = await scripts.lock(tx, script_id)
            if row is None:
                return ScriptAnswer(success=False, message=_MISSING)
            if await scripts.is_awaited(tx, row.id):
                return ScriptAnswer(success=False, message="A machine that is not yet installed waits for the script")
            if not force and await scripts.count_machines(tx, [row.id]):
                return ScriptAnswer(success=False, message="Machines were made with the script; force deletes it")
            await scripts.delete(tx, row.id)
            answer = ScriptAnswer(success=True, message="Script deleted")
            await _tell(tx, principal, "script.deleted", row, answer)
        return answer

    async def _counted(self, principal: Principal, row: rows.Script) -> ScriptView:
        counts = await scripts.count_machines(self._database, [row.id])
        return _view(principal, row, counts.get(row.id, 0))


def _view(principal: Principal, row: rows.Script, executions: int = 0) -> ScriptView:
    """Users see scripts, but of other users nothing."""
    author = row.createdBy if principal.is_admin or row.createdById == principal.user_id else None
    return ScriptView(row, inputs_of(list(row.inputs)), author, executions)


def _changed(present: rows.Script, changes: ScriptChanges) -> ScriptRequest:
    kept = ScriptRequest(
        name=present.name,
        format="JSON" if present.format == "JSON" else "YAML",
        content=present.content,
        description=present.description,
        category=present.category,
        tags=tuple(present.tags),
    )
    given = {name: value for name, value in vars(changes).items() if value is not None}
    return replace(kept, **given)


def _checked(request: ScriptRequest) -> ScriptValues:
    category = request.category or None
    problems: list[FieldProblem] = [
        *sizing.name_problems("name", request.name),
        *sizing.description_problems("description", request.description or ""),
        *label_problems(category, list(request.tags)),
    ]
    content: Content | None = None
    try:
        content = read_content(request.format, request.content)
        problems += place_problems(content)
    except BadUserInput as error:
        problems += error.problems
    if problems or content is None:
        raise BadUserInput(*problems)
    name = request.name.strip()
    return ScriptValues(
        name=name,
        name_key=naming.name_key(name),
        description=(request.description or "").strip() or None,
        category=category,
        tags=tuple(dict.fromkeys(request.tags)),
        format=request.format,
        content=request.content,
        shell=content.shell,
        inputs=content.definitions,
    )


async def _tell(tx: Database, principal: Principal, kind: str, row: rows.Script, answer: ScriptAnswer) -> None:
    """Keeps the mutation's answer with its change, and writes the event."""
    await idempotency.settle(tx, answer.kept())
    await events.append(tx, kind=kind, data={"scriptId": row.id, "name": row.name}, actor_id=principal.user_id)


def _taken() -> Conflict:
    return Conflict("Script already exists", field="name")

"""Applications: what can be installed on a new machine, by which commands, and what they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infinibay.core import naming, sizing
from infinibay.core.access import Principal
from infinibay.core.applications import command_problems, os_problems
from infinibay.core.parameters import Parameter
from infinibay.db import applications, events, rows
from infinibay.db.applications import ApplicationValues
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, FieldProblem, NotFound, UniqueViolation
from infinibay.services import idempotency
from infinibay.services.parameters import read_parameters


@dataclass(frozen=True)
class ApplicationRequest:
    """What an application shall be. `install_command` holds a command or a list of them for each word of `os`,
    `parameters` their parameters as `read_parameters` takes them."""

    name: str
    os: tuple[str, ...]
    install_command: Mapping[str, Any]
    description: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


class ApplicationService:
    """Each change writes an event `application.created|updated|deleted` {applicationId, name}."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[rows.Application]:
        """By name."""
        return await applications.list_all(self._database)

    async def find(self, application_id: str) -> rows.Application | None:
        return await applications.find(self._database, application_id)

    async def create(self, principal: Principal, request: ApplicationRequest) -> rows.Application:
        """Raises BadUserInput naming every wrong field, or Conflict when the name is taken."""
        _check(request)
        try:
            async with self._database.tx() as tx:
                row = await applications.create(tx, _values(request))
                await _tell(tx, principal, "application.created", row)
        except UniqueViolation as error:
            raise _taken() from error
        return row

    async def update(self, principal: Principal, application_id: str, request: ApplicationRequest) -> rows.Application:
        """Takes the place of all that it was; its icon stays. Raises NotFound, BadUserInput or Conflict."""
        _check(request)
        try:
            async with self._database.tx() as tx:
                row = await applications.update(tx, application_id, _values(request))
                if row is None:
                    raise _missing()
                await _tell(tx, principal, "application.updated", row)
        except UniqueViolation as error:
            raise _taken() from error
        return row

    async def delete(self, principal: Principal, application_id: str) -> None:
        """Raises NotFound, or Conflict while a machine was made with it."""
        async with self._database.tx() as tx:
            row = await applications.lock(tx, application_id)
            if row is None:
                raise _missing()
            if await applications.count_machines(tx, row.id):
                raise Conflict("Cannot delete application while machines were made with it")
            await applications.delete(tx, row.id)
            await idempotency.settle(tx, {"value": True})
            await _event(tx, principal, "application.deleted", row)


def parameters_of_row(row: rows.Application) -> tuple[Parameter, ...]:
    """What the application asks for. Raises BadUserInput for a row that was written by something else."""
    return read_parameters("parameters", dict(row.parameters))


def _check(request: ApplicationRequest) -> None:
    parameters: tuple[Parameter, ...] = ()
    problems: list[FieldProblem] = [
        *sizing.name_problems("name", request.name),
        *sizing.description_problems("description", request.description or ""),
        *os_problems(request.os),
    ]
    try:
        parameters = read_parameters("parameters", request.parameters)
    except BadUserInput as error:
        problems += error.problems
    else:
        problems += command_problems(request.os, request.install_command, parameters)
    if problems:
        raise BadUserInput(*problems)


def _values(request: ApplicationRequest) -> ApplicationValues:
    name = request.name.strip()
    return ApplicationValues(
        name=name,
        name_key=naming.name_key(name),
        description=(request.description or "").strip() or None,
        os=request.os,
        install_command=request.install_command,
        parameters=request.parameters,
    )


async def _tell(tx: Database, principal: Principal, kind: str, row: rows.Application) -> None:
    """Keeps the mutation's answer with its change, and writes the event."""
    await idempotency.settle(tx, {"application": row.id})
    await _event(tx, principal, kind, row)


async def _event(tx: Database, principal: Principal, kind: str, row: rows.Application) -> None:
    await events.append(tx, kind=kind, data={"applicationId": row.id, "name": row.name}, actor_id=principal.user_id)


def _missing() -> NotFound:
    return NotFound("Application not found")


def _taken() -> Conflict:
    return Conflict("Application already exists", field="name")

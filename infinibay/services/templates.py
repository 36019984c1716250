"""Templates: named sizes that machines are created with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infinibay.core import naming, sizing
from infinibay.core.access import Principal
from infinibay.db import events, rows, template_categories, templates
from infinibay.db.client import Database
from infinibay.db.templates import OrderColumn, TemplateValues
from infinibay.errors import BadUserInput, Conflict, FieldProblem, NotFound, UniqueViolation
from infinibay.services import idempotency


@dataclass(frozen=True)
class TemplateRequest:
    """What a template shall be; sizes in GB. Without `sets_category` a changed template keeps its category."""

    name: str
    description: str
    cores: int
    ram_gb: int
    storage_gb: int
    category_id: str | None = None
    sets_category: bool = True


@dataclass(frozen=True)
class TemplateOrder:
    column: OrderColumn = "createdAt"
    descending: bool = True


@dataclass(frozen=True)
class TemplateView:
    """A template and how many machines were made with it."""

    row: rows.MachineTemplate
    total_machines: int = 0


class TemplateService:
    """Each change writes an event `template.created|updated|deleted` {templateId, name}."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, order: TemplateOrder, take: int | None, skip: int) -> Sequence[TemplateView]:
        found = await templates.list_ordered(
            self._database, order=order.column, descending=order.descending, take=take, skip=skip
        )
        counts = await templates.count_machines(self._database, [row.id for row in found])
        return [TemplateView(row, counts.get(row.id, 0)) for row in found]

    async def find(self, template_id: str) -> TemplateView | None:
        row = await templates.find(self._database, template_id)
        return await self._counted(row) if row else None

    async def create(self, principal: Principal, request: TemplateRequest) -> TemplateView:
        """Raises BadUserInput naming every wrong field, or Conflict when the name is taken."""
        _check(request)
        try:
            async with self._database.tx() as tx:
                await _hold_category(tx, request.category_id)
                row = await templates.create(tx, _values(request, request.category_id))
                await _tell(tx, principal, "template.created", row)
        except UniqueViolation as error:
            raise _taken() from error
        return TemplateView(row)

    async def update(self, principal: Principal, template_id: str, request: TemplateRequest) -> TemplateView:
        """Machines keep the sizes that they have. Raises NotFound, BadUserInput or Conflict."""
        _check(request)
        try:
            async with self._database.tx() as tx:
                present = await templates.lock(tx, template_id)
                if present is None:
                    raise _missing()
                category_id = request.category_id if request.sets_category else present.categoryId
                await _hold_category(tx, category_id)
                row = await templates.update(tx, template_id, _values(request, category_id))
                await _tell(tx, principal, "template.updated", row or present)
        except UniqueViolation as error:
            raise _taken() from error
        return await self._counted(row or present)

    async def destroy(self, principal: Principal, template_id: str) -> None:
        """Raises NotFound, or Conflict while a machine was made with it."""
        async with self._database.tx() as tx:
            row = await templates.lock(tx, template_id)
            if row is None:
                raise _missing()
            if await templates.count_machines(tx, [row.id]):
                raise Conflict("Cannot delete template while it is being used by machines")
            await templates.delete(tx, row.id)
            await idempotency.settle(tx, {"value": True})
            await _event(tx, principal, "template.deleted", row)

    async def _counted(self, row: rows.MachineTemplate) -> TemplateView:
        counts = await templates.count_machines(self._database, [row.id])
        return TemplateView(row, counts.get(row.id, 0))


def _check(request: TemplateRequest) -> None:
    problems = [
        *sizing.name_problems("name", request.name),
        *sizing.description_problems("description", request.description),
        *sizing.template_size_problems(request.cores, request.ram_gb, request.storage_gb),
    ]
    if problems:
        raise BadUserInput(*problems)


async def _hold_category(tx: Database, category_id: str | None) -> None:
    """The category stays until the transaction ends."""
    if category_id is not None and not await template_categories.hold(tx, category_id):
        raise BadUserInput(FieldProblem("categoryId", "Machine template category not found"))


def _values(request: TemplateRequest, category_id: str | None) -> TemplateValues:
    name = request.name.strip()
    return TemplateValues(
        name=name,
        name_key=naming.name_key(name),
        description=request.description.strip() or None,
        cores=request.cores,
        ram_gb=request.ram_gb,
        storage_gb=request.storage_gb,
        category_id=category_id,
    )


async def _tell(tx: Database, principal: Principal, kind: str, row: rows.MachineTemplate) -> None:
    """Keeps the mutation's answer with its change, and writes the event."""
    await idempotency.settle(tx, {"template": row.id})
    await _event(tx, principal, kind, row)


async def _event(tx: Database, principal: Principal, kind: str, row: rows.MachineTemplate) -> None:
    await events.append(tx, kind=kind, data={"templateId": row.id, "name": row.name}, actor_id=principal.user_id)


def _missing() -> NotFound:
    return NotFound("Machine template not found")


def _taken() -> Conflict:
    return Conflict("Machine template already exists", field="name")

"""Categories that templates are sorted into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infinibay.core import naming, sizing
from infinibay.core.access import Principal
from infinibay.db import events, rows, template_categories
from infinibay.db.client import Database
from infinibay.db.template_categories import Totals
from infinibay.errors import BadUserInput, Conflict, NotFound, UniqueViolation
from infinibay.services import idempotency


@dataclass(frozen=True)
class CategoryRequest:
    """What a category shall be; without `sets_description` a changed one keeps its description."""

    name: str
    description: str | None = None
    sets_description: bool = True


@dataclass(frozen=True)
class CategoryView:
    """A category, its templates and the machines made with them."""

    row: rows.MachineTemplateCategory
    totals: Totals


class TemplateCategoryService:
    """Each change writes an event `template_category.created|updated|deleted` {categoryId, name}."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[CategoryView]:
        """By name."""
        found = await template_categories.list_all(self._database)
        totals = await template_categories.totals(self._database, [row.id for row in found])
        return [CategoryView(row, totals.get(row.id, Totals())) for row in found]

    async def find(self, category_id: str) -> CategoryView | None:
        row = await template_categories.find(self._database, category_id)
        return await self._counted(row) if row else None

    async def create(self, principal: Principal, request: CategoryRequest) -> CategoryView:
        """Raises BadUserInput naming every wrong field, or Conflict when the name is taken."""
        name, description = _checked(request)
        try:
            async with self._database.tx() as tx:
                row = await template_categories.create(tx, name, naming.name_key(name), description)
                await _tell(tx, principal, "template_category.created", row)
        except UniqueViolation as error:
            raise _taken() from error
        return CategoryView(row, Totals())

    async def update(self, principal: Principal, category_id: str, request: CategoryRequest) -> CategoryView:
        """Raises NotFound, BadUserInput or Conflict."""
        name, description = _checked(request)
        try:
            async with self._database.tx() as tx:
                present = await template_categories.lock(tx, category_id)
                if present is None:
                    raise _missing()
                kept = description if request.sets_description else present.description
                row = await template_categories.update(tx, category_id, name, naming.name_key(name), kept)
                await _tell(tx, principal, "template_category.updated", row or present)
        except UniqueViolation as error:
            raise _taken() from error
        return await self._counted(row or present)

    async def destroy(self, principal: Principal, category_id: str) -> None:
        """Raises NotFound, or Conflict while a template belongs to it."""
        async with self._database.tx() as tx:
            row = await template_categories.lock(tx, category_id)
            if row is None:
                raise _missing()
            if await template_categories.totals(tx, [row.id]):
                raise Conflict("Cannot delete category while it is being used by templates")
            await template_categories.delete(tx, row.id)
            await idempotency.settle(tx, {"value": True})
            await _event(tx, principal, "template_category.deleted", row)

    async def _counted(self, row: rows.MachineTemplateCategory) -> CategoryView:
        totals = await template_categories.totals(self._database, [row.id])
        return CategoryView(row, totals.get(row.id, Totals()))


def _checked(request: CategoryRequest) -> tuple[str, str | None]:
    """Name and description as they are kept."""
    description = request.description or ""
    problems = [
        *sizing.name_problems("name", request.name),
        *sizing.description_problems("description", description),
    ]
    if problems:
        raise BadUserInput(*problems)
    return request.name.strip(), description.strip() or None


async def _tell(tx: Database, principal: Principal, kind: str, row: rows.MachineTemplateCategory) -> None:
    """Keeps the mutation's answer with its change, and writes the event."""
    await idempotency.settle(tx, {"category": row.id})
    await _event(tx, principal, kind, row)


async def _event(tx: Database, principal: Principal, kind: str, row: rows.MachineTemplateCategory) -> None:
    await events.append(tx, kind=kind, data={"categoryId": row.id, "name": row.name}, actor_id=principal.user_id)


def _missing() -> NotFound:
    return NotFound("Machine template category not found")


def _taken() -> Conflict:
    return Conflict("Machine template category with this name already exists", field="name")

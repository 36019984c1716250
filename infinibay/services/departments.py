"""Departments: who sees which, and their making, renaming and removal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from infinibay.core import naming, sizing
from infinibay.core.access import Principal
from infinibay.core.identifiers import canonical
from infinibay.db import departments, events, rows
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, FieldProblem, NotFound, UniqueViolation
from infinibay.services import idempotency


@dataclass(frozen=True)
class DepartmentView:
    """A department and how many of its machines the principal may see."""

    row: rows.Department
    total_machines: int

    def kept(self) -> dict[str, object]:
        """What is answered under an idempotency key once it is gone."""
        return {"goneDepartment": self.row.model_dump(mode="json", exclude_none=True)}

    @classmethod
    def from_kept(cls, kept: Mapping[str, object]) -> DepartmentView:
        """The department that `kept` took."""
        return cls(rows.Department.model_validate(kept), 0)


RemoveDepartment = Callable[[Principal, DepartmentView], Awaitable[None]]


class DepartmentService:
    """`remove` takes a department out of the hypervisor and the database, and returns when it is gone."""

    def __init__(self, database: Database, remove: RemoveDepartment) -> None:
        self._database = database
        self._remove = remove

    async def list(self, principal: Principal) -> list[DepartmentView]:
        """By name; a user sees the departments of own machines."""
        owner_id = _owner(principal)
        found = await departments.list_visible(self._database, owner_id)
        counts = await departments.count_machines(self._database, [row.id for row in found], owner_id)
        return [DepartmentView(row, counts.get(row.id, 0)) for row in found]

    async def find(self, principal: Principal, department_id: str) -> DepartmentView | None:
        known = canonical(department_id)
        row = await departments.find(self._database, known) if known else None
        return await self._seen(principal, row)

    async def find_by_name(self, principal: Principal, name: str) -> DepartmentView | None:
        """Compared without case."""
        return await self._seen(principal, await departments.find_by_name_key(self._database, naming.name_key(name)))

    async def create(self, principal: Principal, name: str) -> DepartmentView:
        """Raises BadUserInput or Conflict that says what is wrong with the name."""
        trimmed = _checked(name)
        try:
            async with self._database.tx() as tx:
                row = await departments.create(tx, trimmed, naming.name_key(trimmed))
                await idempotency.settle(tx, {"department": row.id})
                await events.append(
                    tx,
                    kind="department.created",
                    data={"departmentId": row.id, "name": row.name},
                    actor_id=principal.user_id,
                )
        except UniqueViolation as error:
            raise _taken(trimmed) from error
        return DepartmentView(row, 0)

    async def rename(self, principal: Principal, department_id: str, name: str) -> DepartmentView:
        """Raises NotFound, BadUserInput or Conflict."""
        view = await self._required(principal, department_id)
        trimmed = _checked(name)
        try:
            async with self._database.tx() as tx:
                row = await departments.rename(tx, view.row.id, trimmed, naming.name_key(trimmed))
                if row is None:
                    raise NotFound("Department not found")
                await idempotency.settle(tx, {"department": row.id})
                await events.append(
                    tx,
                    kind="department.updated",
                    data={"departmentId": row.id, "name": row.name},
                    actor_id=principal.user_id,
                )
        except UniqueViolation as error:
            raise _taken(trimmed) from error
        return DepartmentView(row, view.total_machines)

    async def destroy(self, principal: Principal, department_id: str) -> DepartmentView:
        """Removes a department without machines and returns what it was. Raises NotFound, Conflict, OperationFailed
        when it stays, or Unavailable while it takes too long."""
        view = await self._required(principal, department_id)
        if view.total_machines:
            raise with_machines()
        await self._remove(principal, view)
        return view

    async def _required(self, principal: Principal, department_id: str) -> DepartmentView:
        view = await self.find(principal, department_id)
        if view is None:
            raise NotFound("Department not found")
        return view

    async def _seen(self, principal: Principal, row: rows.Department | None) -> DepartmentView | None:
        if row is None:
            return None
        counts = await departments.count_machines(self._database, [row.id], _owner(principal))
        machines = counts.get(row.id, 0)
        return DepartmentView(row, machines) if principal.is_admin or machines else None


def with_machines() -> Conflict:
    """Why a department stays."""
    return Conflict("Cannot delete department with machines", remedy="Move or destroy its machines first")


def _owner(principal: Principal) -> str | None:
    return None if principal.is_admin else principal.user_id


def _checked(name: str) -> str:
    if not name.strip():
        raise BadUserInput(FieldProblem("name", "Department name cannot be empty"))
    if problems := sizing.name_problems("name", name):
        raise BadUserInput(*problems)
    return name.strip()


def _taken(name: str) -> Conflict:
    return Conflict(f'Department name "{name}" is already taken', field="name")

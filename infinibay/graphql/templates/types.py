"""Templates and their categories as clients see them."""

from __future__ import annotations

import strawberry

from infinibay.db import rows
from infinibay.graphql.scalars import DateTimeISO
from infinibay.services.template_categories import CategoryView
from infinibay.services.templates import TemplateView


@strawberry.type
class MachineTemplateType:
    """A size for machines; `ram` and `storage` in GB. `totalMachines` is null where a template belongs to a machine."""

    id: strawberry.ID
    name: str | None
    description: str | None
    cores: int
    ram: int
    storage: int
    category_id: strawberry.ID | None
    total_machines: int | None
    created_at: DateTimeISO

    @classmethod
    def from_row(cls, row: rows.MachineTemplate, total_machines: int | None = None) -> MachineTemplateType:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            description=row.description,
            cores=row.cores,
            ram=row.ramGB,
            storage=row.storageGB,
            category_id=strawberry.ID(row.categoryId) if row.categoryId else None,
            total_machines=total_machines,
            created_at=DateTimeISO(row.createdAt),
        )

    @classmethod
    def from_result(cls, view: TemplateView) -> MachineTemplateType:
        return cls.from_row(view.row, view.total_machines)


@strawberry.type
class MachineTemplateCategoryType:
    """What templates are sorted into; `totalMachines` counts those made with one of its templates."""

    id: strawberry.ID
    name: str
    description: str | None
    created_at: DateTimeISO
    total_templates: int | None
    total_machines: int | None

    @classmethod
    def from_result(cls, view: CategoryView) -> MachineTemplateCategoryType:
        row = view.row
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            description=row.description,
            created_at=DateTimeISO(row.createdAt),
            total_templates=view.totals.templates,
            total_machines=view.totals.machines,
        )

"""Templates as clients see them."""

from __future__ import annotations

import strawberry

from infinibay.db import rows
from infinibay.graphql.scalars import DateTimeISO


@strawberry.type
class MachineTemplateType:
    """A size for machines; `ram` and `storage` in GB."""

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

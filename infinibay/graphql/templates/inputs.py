"""What clients send about templates and their categories; only its shape is checked here."""

from __future__ import annotations

from enum import Enum

import strawberry

from infinibay.graphql.common import OrderByDirection, given, optional_id
from infinibay.services.template_categories import CategoryRequest
from infinibay.services.templates import TemplateOrder, TemplateRequest


@strawberry.enum
class MachineTemplateOrderByField(Enum):
    ID = "id"
    NAME = "name"
    CORES = "cores"
    RAM = "ram"
    STORAGE = "storage"
    CREATED_AT = "createdAt"


@strawberry.input
class MachineTemplateOrderBy:
    field_name: MachineTemplateOrderByField | None = MachineTemplateOrderByField.CREATED_AT
    direction: OrderByDirection | None = OrderByDirection.DESC

    def to_request(self) -> TemplateOrder:
        field = self.field_name or MachineTemplateOrderByField.CREATED_AT
        return TemplateOrder(field.value, descending=self.direction is not OrderByDirection.ASC)


@strawberry.input
class MachineTemplateInputType:
    """`ram` and `storage` in GB. Without `categoryId` a change keeps the category; null takes it away."""

    name: str
    description: str
    cores: int
    ram: int
    storage: int
    category_id: strawberry.ID | None = strawberry.UNSET

    def to_request(self) -> TemplateRequest:
        return TemplateRequest(
            name=self.name,
            description=self.description,
            cores=self.cores,
            ram_gb=self.ram,
            storage_gb=self.storage,
            category_id=optional_id(self.category_id),
            sets_category=self.category_id is not strawberry.UNSET,
        )


@strawberry.input
class MachineTemplateCategoryInputType:
    """A change without `description` keeps it, null or an empty one takes it away."""

    name: str
    description: str | None = strawberry.UNSET

    def to_request(self) -> CategoryRequest:
        return CategoryRequest(
            name=self.name,
            description=given(self.description),
            sets_description=self.description is not strawberry.UNSET,
        )

"""Images as clients see them."""

from __future__ import annotations

from enum import Enum

import strawberry

from infinibay.db import rows
from infinibay.graphql.context import Info
from infinibay.graphql.scalars import DateTimeISO


@strawberry.enum
class ImageKind(Enum):
    """IMAGE: for new machines. CLONE: the disk of a machine as it was, for its clones; it goes with the last of
    them."""

    IMAGE = "image"
    CLONE = "clone"


@strawberry.enum
class ImageState(Enum):
    """FAILED: it could not be made, and its operation says why; nothing is left of it but this."""

    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    REMOVING = "removing"


@strawberry.type
class ImageMachine:
    """A machine that stands on an image."""

    id: strawberry.ID
    name: str

    @classmethod
    def from_row(cls, row: rows.Machine) -> ImageMachine:
        return cls(id=strawberry.ID(row.id), name=row.name)


@strawberry.type
class Image:
    """A disk that machines begin with; those that stand on it keep it from being removed. A machine's disk has at least
    `sizeGB`. `sourceMachineId` is the machine that it was made from, which may be gone, `operationId` what makes or
    removes it, or has made it."""

    row: strawberry.Private[rows.Image]
    id: strawberry.ID
    name: str
    os: str
    kind: ImageKind
    state: ImageState
    format: str
    size_gb: int = strawberry.field(name="sizeGB")
    source_machine_id: strawberry.ID | None
    operation_id: strawberry.ID | None
    created_at: DateTimeISO

    @strawberry.field
    async def machines(self, info: Info) -> list[ImageMachine]:
        """The machines whose disks stand on it, by name."""
        return [ImageMachine.from_row(one) for one in await info.context.loaders.image_machines.load(self.row.id)]

    @classmethod
    def from_row(cls, row: rows.Image) -> Image:
        return cls(
            row=row,
            id=strawberry.ID(row.id),
            name=row.name,
            os=row.os.upper(),
            kind=ImageKind(row.kind),
            state=ImageState(row.state),
            format=row.format,
            size_gb=row.sizeGB,
            source_machine_id=strawberry.ID(row.sourceMachineId) if row.sourceMachineId else None,
            operation_id=strawberry.ID(row.operationId) if row.operationId else None,
            created_at=DateTimeISO(row.createdAt),
        )

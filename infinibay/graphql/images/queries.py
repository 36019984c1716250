"""Reading about images."""

from __future__ import annotations

import strawberry

from infinibay.graphql.context import Info
from infinibay.graphql.images.types import Image


@strawberry.type
class ImageQueries:
    @strawberry.field
    async def images(self, info: Info) -> list[Image]:
        """All images, by name."""
        return [Image.from_row(row) for row in await info.context.services.images.all()]

    @strawberry.field
    async def image(self, info: Info, id: str) -> Image | None:
        """One image; null when there is none."""
        row = await info.context.services.images.find(id)
        return Image.from_row(row) if row else None

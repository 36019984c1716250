"""Making and removing images."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info
from infinibay.graphql.images.types import Image
from infinibay.graphql.machines.inputs import MachineOs
from infinibay.services.images.service import Addition


@strawberry.type
class ImageMutations:
    @strawberry.mutation
    async def add_image(self, info: Info, filename: str, name: str, os: MachineOs) -> Image:
        """Copies a disk image (qcow2, raw) that lies in the ISO directory, of a Linux with cloud-init or a Windows that
        sysprep has generalised; `making` until then."""
        wanted = Addition(filename, name, os.value)
        return Image.from_row(await info.context.services.images.add(info.context.caller, wanted))

    @strawberry.mutation
    async def create_image(self, info: Info, machine_id: strawberry.ID, name: str) -> Image:
        """Makes an image of an installed and stopped machine, which stays as it is; `making` until then."""
        made = await info.context.services.images.create(info.context.caller, known_id(machine_id), name)
        return Image.from_row(made)

    @strawberry.mutation
    async def remove_image(self, info: Info, id: strawberry.ID) -> bool:
        """Removes an image that no machine stands on."""
        await info.context.services.images.remove(info.context.caller, known_id(id))
        return True

"""Changing the library of installation media."""

# ruff: noqa: N802 - the contract's names, which no rule of ours makes.

from __future__ import annotations

import strawberry

from infinibay.graphql.common import known_id
from infinibay.graphql.context import Info
from infinibay.graphql.isos.types import ISO
from infinibay.services.isos.service import Registration


@strawberry.type
class IsoMutations:
    @strawberry.mutation
    async def registerISO(self, info: Info, filename: str, os: str, path: str, size: float) -> ISO:
        """Takes a file that lies in the ISO directory; `path` is its name again, `size` in bytes."""
        wanted = Registration(filename, os, path, size)
        return ISO.from_result(await info.context.services.isos.register(info.context.caller, wanted))

    @strawberry.mutation
    async def removeISO(self, info: Info, iso_id: str) -> bool:
        """Removes a medium with its file, unless a machine has it in its drive."""
        await info.context.services.isos.remove(info.context.caller, known_id(iso_id))
        return True

    @strawberry.mutation
    async def setDefaultISO(self, info: Info, iso_id: str) -> ISO:
        """Makes it the medium that its system is installed from when no other is named."""
        return ISO.from_result(await info.context.services.isos.choose(info.context.caller, known_id(iso_id)))

    @strawberry.mutation
    async def validateISO(self, info: Info, iso_id: str) -> bool:
        """Reads the whole file: whether it is there, whole, and what it was when its checksum was taken."""
        return await info.context.services.isos.validate(known_id(iso_id))

    @strawberry.mutation
    async def calculateISOChecksum(self, info: Info, iso_id: str) -> str:
        """The SHA-256 of the file as it is now, which is kept."""
        return await info.context.services.isos.checksum(known_id(iso_id))

    @strawberry.mutation
    async def syncISOs(self, info: Info) -> bool:
        """Notices what was put into the ISO directory, changed or taken away by hand."""
        await info.context.services.isos.sync()
        return True

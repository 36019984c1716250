"""The library of media as its users see it, over a directory that a test fills."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infinibay.bootstrap.isos import IsoParts, iso_parts
from tests.support.api import Api, running_api
from tests.support.databases import base_directory, settings_below

FIELDS = "id filename os version editions architecture boots size path checksum isAvailable isDefault problem"


@dataclass
class Shelf:
    """The edge, the ISO directory, and parts that share nothing with the edge but directory and database, as another
    process would."""

    api: Api
    folder: Path
    other: IsoParts

    async def all(self) -> dict[str, dict[str, Any]]:
        """All media by name."""
        found = (await self.api.ask(f"{{ allISOs {{ {FIELDS} }} }}"))["allISOs"]
        return {one["filename"]: one for one in found}

    async def one(self, name: str) -> dict[str, Any]:
        return (await self.all())[name]

    async def change(self, mutation: str, iso_id: str, selection: str = "") -> Any:
        """The answer of a mutation that names a medium."""
        query = f"mutation ($id: String!) {{ {mutation}(isoId: $id) {selection} }}"
        return (await self.api.ask(query, {"id": iso_id}))[mutation]

    async def refused(self, mutation: str, iso_id: str, selection: str = "") -> dict[str, Any]:
        query = f"mutation ($id: String!) {{ {mutation}(isoId: $id) {selection} }}"
        return await self.api.refusal(query, {"id": iso_id})

    async def empty(self) -> None:
        """No files, no rows, and no events of what was before."""
        for place in sorted(self.folder.rglob("*"), reverse=True):
            place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()
        for table in ("isos", "machines", "events"):
            await self.api.database.execute_raw(f"DELETE FROM {table}")

    def files(self) -> list[str]:
        """Everything below the directory, unfinished uploads among it."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@asynccontextmanager
async def opened_shelf(url: str) -> AsyncIterator[Shelf]:
    with base_directory() as base:
        (base / "iso").mkdir()
        async with running_api(url, base) as api:
            yield Shelf(api, base / "iso", iso_parts(settings_below(base), api.database))

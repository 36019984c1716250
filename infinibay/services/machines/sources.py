"""What a new machine begins with: a medium that its system is installed from, or an image."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from infinibay.core.identifiers import canonical
from infinibay.core.operating_systems import DRIVERS_ISO, OperatingSystem
from infinibay.db import images, rows
from infinibay.db.client import Database
from infinibay.errors import FieldProblem
from infinibay.services.isos.library import IsoLibrary
from infinibay.services.machines.answers import IN_IMAGE
from infinibay.services.machines.requests import CreateMachineRequest
from infinibay.unattended.installation import Medium

_FIELD = "baseImage"


@dataclass(frozen=True)
class Source:
    """The ISO with its row's id, or the image; `medium` is what the answers depend on, None when nothing is known of
    it."""

    path: Path
    iso_id: str | None = None
    image: rows.Image | None = None
    medium: Medium | None = None
    problems: tuple[FieldProblem, ...] = ()


class Sources:
    """Looks at the library of media and at the images."""

    def __init__(self, database: Database, library: IsoLibrary) -> None:
        self._database = database
        self._library = library

    async def choose(self, system: OperatingSystem, request: CreateMachineRequest) -> Source:
        """What was asked for, or the system's own medium, with all that is wrong with it."""
        if request.base_image is not None:
            return await self._image(system, request, request.base_image)
        found = await self._library.choice(system, request.iso_id)
        problems = () if found.problem is None else (found.problem,)
        return Source(found.path, found.iso_id, medium=found.medium, problems=problems)

    async def has_drivers(self) -> bool:
        """Whether the drivers for Windows are there."""
        return await asyncio.to_thread(self._library.directory.path(DRIVERS_ISO).is_file)

    async def _image(self, system: OperatingSystem, request: CreateMachineRequest, image_id: str) -> Source:
        known_form = canonical(image_id)
        image = await images.find(self._database, known_form) if known_form else None
        problems = []
        if request.iso_id is not None:
            problems.append(FieldProblem(_FIELD, "Give either an image or an installation medium, not both"))
        if request.media_mode is not None:
            problems.append(FieldProblem("mediaMode", "A machine from an image has no installer"))
        if image is None or image.kind != "image":
            problems.append(FieldProblem(_FIELD, "There is no such image"))
        elif image.os != system.name:
            problems.append(FieldProblem(_FIELD, f"The image {image.name} holds no {system.title}"))
        elif image.state != "ready":
            problems.append(FieldProblem(_FIELD, f"The image {image.name} is not ready", "CONFLICT"))
        return Source(Path(), image=image, medium=IN_IMAGE, problems=tuple(problems))

"""What is kept of a medium's content for the answers of an unattended installation."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from infinibay.core.iso_recognition import Recognized
from infinibay.db import rows
from infinibay.unattended.installation import Medium, WindowsImage

_DESKTOP = "Desktop"
_UBUNTU_DESKTOP = "ubuntu-desktop"


def contents_of(found: Recognized) -> dict[str, Any]:
    """As the row of the medium keeps it."""
    images = [WindowsImage(one.index, one.name, one.edition, one.language) for one in found.images if one.edition]
    return {"hasPackages": found.has_packages, "images": [asdict(image) for image in images]}


def medium_of(row: rows.Iso) -> Medium | None:
    """What the answers have to know of a medium; None when nothing was understood of it."""
    kept: Any = row.contents
    if kept is None or row.version is None:
        return None
    return Medium(
        version=row.version,
        variant=_UBUNTU_DESKTOP if row.os == "ubuntu" and _DESKTOP in row.editions else None,
        has_packages=kept["hasPackages"],
        images=tuple(WindowsImage(**image) for image in kept["images"]),
    )

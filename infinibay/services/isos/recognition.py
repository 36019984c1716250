"""What a file holds, found out by a program of its own: an image that was made to harm reaches nothing here."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import infinibay
from infinibay.core.iso_recognition import Evidence, Recognized, WindowsImage, recognize
from infinibay.errors import HostFailure, MediumUnread
from infinibay.host import process
from infinibay.log import get_logger
from infinibay.unattended.media import evidence

log = get_logger(__name__)

_SECONDS = 30
_MOST_SAID = 2000
# It finds the product's modules wherever the server was started, and nothing that lies where it was.
_PROGRAM = f"import sys; sys.path.insert(0, sys.argv[1]); from {evidence.__name__} import main; main(sys.argv[2])"
_ROOT = Path(infinibay.__file__).parents[1]


class NoMedium(Exception):
    """The file is no ISO image, or a damaged one."""


async def recognized(path: Path) -> Recognized:
    """What is on the image. Raises NoMedium with the reason in a sentence, MediumUnread when that is not known (the
    reader took too long, or was killed), or HostFailure."""
    ended = await process.run([sys.executable, "-P", "-c", _PROGRAM, str(_ROOT), str(path)], seconds=_SECONDS)
    if ended.timed_out or ended.code is None or ended.code < 0:
        raise MediumUnread("The ISO file could not be read in time")
    if ended.code != 0:
        raise HostFailure(f"The reader of ISO images ended with {ended.code}")
    if ended.stderr:
        log.warning("isos.reader_complained", file=path.name, said=ended.stderr[-_MOST_SAID:])
    answer: Mapping[str, Any] = json.loads(ended.stdout)
    if "problem" in answer:
        raise NoMedium(answer["problem"])
    return recognize(
        Evidence(
            label=answer["label"],
            texts=answer["texts"],
            paths=frozenset(answer["paths"]),
            images=tuple(WindowsImage(**image) for image in answer["images"]),
            boots=tuple(answer["boots"]),
        )
    )

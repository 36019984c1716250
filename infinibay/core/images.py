"""Names of the files that images are made from."""

from __future__ import annotations

import re

SUFFIXES = (".qcow2", ".img", ".raw")
_PLAIN = re.compile(r"[^/\\\0.][^/\\\0]*")
_LONGEST_NAME = 200


def is_image_file(name: str) -> bool:
    """Whether it names a disk image of the ISO directory: no folder, not hidden, with one of the suffixes."""
    return (
        len(name) <= _LONGEST_NAME
        and name.isprintable()
        and name.endswith(SUFFIXES)
        and _PLAIN.fullmatch(name) is not None
    )

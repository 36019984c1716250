"""Files that the kernel unpacks over an initrd: a compressed cpio archive at its end."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

from infinibay.unattended.media import paths

_FILE, _FOLDER = 0o100600, 0o040755
# An entry of this name ends an archive, whatever comes behind it.
_LAST = "TRAILER!!!"


def archive(files: Mapping[str, bytes]) -> bytes:
    """The bytes to append; the same files give the same bytes. Raises ValueError for a path that cannot be one."""
    ordered = paths.checked(files)
    if _LAST in {*paths.folders(ordered), *ordered}:
        raise ValueError(f"{_LAST} ends an archive")
    entries = [*((folder, _FOLDER, b"") for folder in paths.folders(ordered))]
    entries += [(path, _FILE, files[path]) for path in ordered]
    plain = b"".join(_entry(number, *entry) for number, entry in enumerate(entries, 1))
    return gzip.compress(plain + _entry(0, _LAST, 0, b""), mtime=0)


def padding(size: int) -> bytes:
    """What brings an initrd of this size to where the kernel looks for a further archive."""
    return bytes(-size % 4)


def _entry(number: int, path: str, mode: int, content: bytes) -> bytes:
    """One file in the format `newc`: a header of hexadecimal numbers, the name and the content, each filled up."""
    name = path.encode() + b"\0"
    links, owner, group, time, device = 1, 0, 0, 0, (0, 0, 0, 0)
    fields = (number, mode, owner, group, links, time, len(content), *device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _filled(header + name) + _filled(content)


def _filled(data: bytes) -> bytes:
    return data + padding(len(data))

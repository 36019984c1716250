"""A seed medium: an ISO 9660 file system with a label and the answer files, beside the untouched ISO.

Linux reads its Rock Ridge names and Windows its Joliet names; every installer finds it as a read-only CD-ROM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import cast

from pycdlib import PyCdlib
from pycdlib.dates import DirectoryRecordDate
from pycdlib.dr import DirectoryRecord

from infinibay.unattended.media import disk, paths
from infinibay.unattended.media.iso import SECTOR, SYSTEM_AREA
from infinibay.unattended.media.threads import in_thread

_FILE_MODE, _FOLDER_MODE = 0o100400, 0o040500
# The same files must give the same bytes, so every date on a seed is this one: 2000-01-01, UTC.
_DATE = (100, 1, 1, 0, 0, 0, 0)
_DATES, _LAST_DESCRIPTOR = slice(813, 881), 255
_MOST_LABEL = 16  # Joliet's limit.


async def write(path: Path, label: str, files: Mapping[str, bytes]) -> None:
    """Writes a seed (0600: libvirt gives it to QEMU at the start). Written again with the same, nothing is touched.

    `files` are contents by path on the medium. Raises ValueError for a label or path that a medium cannot carry,
    HostFailure when it cannot be written.
    """
    await in_thread(lambda: disk.write_whole(path, image(label, files)))


async def remove(path: Path) -> None:
    """Removes a seed; an absent one is fine. Raises HostFailure."""
    await in_thread(lambda: disk.remove(path))


def image(label: str, files: Mapping[str, bytes]) -> bytes:
    """The bytes of the medium. Raises ValueError."""
    if not 0 < len(label) <= _MOST_LABEL or not label.isascii() or not label.isprintable():
        raise ValueError(f"{label!r} cannot be the label of a seed")
    iso = PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    try:
        _fill(iso, files)
        output = BytesIO()
        iso.write_fp(output)
    finally:
        iso.close()
    return _without_clock(output.getvalue())


def _fill(iso: PyCdlib, files: Mapping[str, bytes]) -> None:
    ordered = paths.checked(files)
    short = {"": ""}
    for number, folder in enumerate(paths.folders(ordered)):
        parent, _, name = folder.rpartition("/")
        short[folder] = f"{short[parent]}/D{number}"
        iso.add_directory(short[folder], rr_name=name, joliet_path=f"/{folder}", file_mode=_FOLDER_MODE)
    for number, path in enumerate(ordered):
        folder, _, name = path.rpartition("/")
        iso.add_fp(
            BytesIO(files[path]),
            len(files[path]),
            f"{short[folder]}/F{number}.;1",
            rr_name=name,
            joliet_path=f"/{path}",
            file_mode=_FILE_MODE,
        )
    for tree in ({"rr_path": "/"}, {"joliet_path": "/"}):
        for record in _records(cast("DirectoryRecord", iso.get_record(**tree))):
            _set_date(record)


def _records(folder: DirectoryRecord) -> Iterator[DirectoryRecord]:
    """A folder's record with all below it, the entries for itself and its parent included."""
    yield folder
    for child in folder.children:
        if child.is_dir() and not child.is_dot() and not child.is_dotdot():
            yield from _records(child)
        else:
            yield child


def _set_date(record: DirectoryRecord) -> None:
    record.date = DirectoryRecordDate.from_fields(*_DATE)
    if record.rock_ridge is None:
        return
    for entries in (record.rock_ridge.dr_entries, record.rock_ridge.ce_entries):
        if entries is not None and entries.tf_record is not None:
            for name in ("access_time", "modification_time", "attribute_change_time"):
                setattr(entries.tf_record, name, DirectoryRecordDate.from_fields(*_DATE))


def _without_clock(medium: bytes) -> bytes:
    """The medium with the four dates of each volume descriptor unset: the library puts the present time there."""
    cleaned = bytearray(medium)
    start = SYSTEM_AREA
    while medium[start] != _LAST_DESCRIPTOR:
        cleaned[start + _DATES.start : start + _DATES.stop] = (b"0" * 16 + b"\0") * 4
        start += SECTOR
    return bytes(cleaned)

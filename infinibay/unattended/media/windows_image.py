"""A Windows ISO made anew with the answer files on it, which boots without a key press.

Its files lie in UDF, which xorriso does not write. So the tree is laid out anew by the library that read it, as on
Microsoft's own media: everything in UDF, and in ISO 9660 only what the firmware starts.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pycdlib import PyCdlib

from infinibay.errors import UnusableMedium
from infinibay.unattended.media import disk, paths
from infinibay.unattended.media.iso import BIOS, UEFI, Extent, Image, boot_entries, image
from infinibay.unattended.media.overlay import EFI_SILENT

_BIOS_IMAGE = "boot/etfsboot.com"
_CATALOG = "boot.cat"
_BLOCK = 1024 * 1024


def is_windows(tree: Image) -> bool:
    """Whether an ISO holds an installer of Windows that boots with UEFI."""
    return tree.has_udf and tree.find(EFI_SILENT) is not None


def make(iso: Path, target: Path, files: Mapping[str, bytes]) -> None:
    """Writes the new ISO. Raises UnusableMedium, HostFailure, and ValueError for paths a medium cannot carry."""
    with image(iso) as given:
        ours = {path.lower() for path in files}
        # Windows knows no case: beside ours, an answer file of the medium's own might be taken.
        contents = {path: content for path, content in _contents(given, iso.name).items() if path.lower() not in ours}
        contents |= {path: io.BytesIO(files[path]) for path in paths.checked(files)}
        new = PyCdlib()
        new.new(interchange_level=4, vol_ident=given.label, udf="2.60")
        try:
            for folder in paths.folders(contents):
                new.add_directory(udf_path=f"/{folder}")
            _add_boot_images(new, given, contents)
            for path, content in sorted(contents.items()):
                new.add_fp(content, content.seek(0, os.SEEK_END), udf_path=f"/{path}")
            with disk.whole_file(target) as output:
                new.write_fp(output, blocksize=_BLOCK)
        finally:
            new.close()


def _contents(given: Image, name: str) -> dict[str, BinaryIO]:
    end = os.fstat(given.file.fileno()).st_size
    found: dict[str, BinaryIO] = {}
    for path in given.files():
        if path == _CATALOG:
            continue
        extent = given.find(path)
        if extent is None or extent.offset + extent.length > end:
            raise UnusableMedium(f"{path} on the ISO {name} cannot be read", remedy="Bring the file again")
        found[path] = io.BufferedReader(_Slice(given.file.fileno(), extent), _BLOCK)
    return found


def _add_boot_images(new: PyCdlib, given: Image, contents: dict[str, BinaryIO]) -> None:
    """The catalog's entries: BIOS with as many sectors as the given one loads, and UEFI with the silent image."""
    bios = next((entry for entry in boot_entries(given.file) if entry.platform == BIOS), None)
    if bios is not None and _BIOS_IMAGE in contents:
        _add_boot_image(new, "ETFSBOOT.COM", _BIOS_IMAGE, contents)
        new.add_eltorito("/ETFSBOOT.COM", boot_load_size=bios.load)
    _add_boot_image(new, "EFISYS.BIN", EFI_SILENT, contents)
    new.add_eltorito("/EFISYS.BIN", efi=True, platform_id=UEFI)


def _add_boot_image(new: PyCdlib, name: str, path: str, contents: dict[str, BinaryIO]) -> None:
    content = contents.pop(path)
    new.add_fp(content, content.seek(0, os.SEEK_END), iso_path=f"/{name}", udf_path=f"/{path}")


class _Slice(io.RawIOBase):
    """A part of a file as a file."""

    def __init__(self, descriptor: int, extent: Extent) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._extent = extent
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._extent.length}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        left = max(0, self._extent.length - self._at)
        try:
            read = os.preadv(self._descriptor, [memoryview(buffer)[:left]], self._extent.offset + self._at)
        except OSError as error:
            raise UnusableMedium(f"The ISO cannot be read: {error.strerror}") from error
        self._at += read
        return read

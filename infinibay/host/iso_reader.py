"""Reads what an ISO image says of itself; run as a program of its own, since the image may have been made to harm.

`python iso_reader.py FILE` prints JSON: `{"label", "texts", "paths", "images", "boots"}`, or `{"problem": sentence}`.
"""

from __future__ import annotations

import json
import os
import resource
import stat
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from typing import Any, BinaryIO

from lxml import etree
from pycdlib import PyCdlib
from pycdlib.pycdlibexception import PyCdlibException

_SECTOR = 2048
_FIRST_DESCRIPTOR = 16
_MEMORY = 1024**3
_SECONDS = 20
_LONGEST_TEXT = 16 * 1024
_LONGEST_NAME = 200
_MOST_IMAGES = 100
_LARGEST_XML = 8 * 1024**2
_TEXTS = (".disk/info", ".treeinfo")
_PATHS = ("casper", "install.amd", "install.a64", "install.386", "LiveOS/squashfs.img", "images/pxeboot")
_WIMS = ("sources/install.wim", "sources/install.esd")
_WIM_HEADER = 208
_WIM_MAGIC = b"MSWIM\0\0\0"
_WIM_ARCHITECTURES = {"0": "i386", "5": "arm", "9": "amd64", "12": "arm64"}
_PLATFORMS = {0: "bios", 0xEF: "efi"}


class Unreadable(Exception):
    """It is no ISO image, or a damaged one."""


def main() -> None:
    """Prints what the file on the command line says."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    try:
        answer: Mapping[str, Any] = read(sys.argv[1])
    except Unreadable as error:
        answer = {"problem": str(error)}
    # Whatever a crafted image brings the library to, the file is no medium.
    except Exception:  # noqa: BLE001
        answer = {"problem": "It can't be read as an ISO image"}
    print(json.dumps(answer))  # noqa: T201 - this is a program's output


def read(path: str) -> dict[str, Any]:
    """What the image says. Raises Unreadable."""
    with _opened(path) as file:
        _check_length(file)
        image = PyCdlib()
        try:
            image.open_fp(file)
        except (PyCdlibException, struct.error) as error:
            raise Unreadable("It is damaged, or no ISO image") from error
        try:
            _check_udf_length(image, os.fstat(file.fileno()).st_size)
            names = _Names(image)
            return {
                "label": _label(image),
                "texts": {path: text for path in _TEXTS if (text := names.text(path)) is not None},
                "paths": [path for path in _PATHS if names.has(path)],
                "images": _images(names),
                "boots": _boots(image),
            }
        finally:
            image.close()


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise Unreadable("It is no file")
        yield file


def _check_length(file: BinaryIO) -> None:
    """Whether the file is as long as its primary volume descriptor says."""
    file.seek(_FIRST_DESCRIPTOR * _SECTOR)
    descriptor = file.read(_SECTOR)
    if descriptor[:6] != b"\x01CD001" or len(descriptor) < _SECTOR:
        raise Unreadable("It is no ISO image")
    (sectors,) = struct.unpack_from("<I", descriptor, 80)
    (size,) = struct.unpack_from("<H", descriptor, 128)
    _demand(os.fstat(file.fileno()).st_size, sectors * size)
    file.seek(0)


def _check_udf_length(image: PyCdlib, length: int) -> None:
    if image.has_udf():
        for partition in image.udf_main_descs.partitions:
            _demand(length, (partition.part_start_location + partition.part_length) * _SECTOR)


def _demand(length: int, wanted: int) -> None:
    if length < wanted:
        raise Unreadable(f"It is cut off: it has {length} of {wanted} bytes")


def _label(image: PyCdlib) -> str:
    label = image.pvd.volume_identifier.decode("utf-8", "replace").strip()
    if image.has_udf() and (volumes := image.udf_main_descs.logical_volumes):
        return _dstring(volumes[0].logical_vol_ident) or label
    return str(label)


def _dstring(field: bytes) -> str:
    """A text of UDF: its first byte names the encoding, its last one the length."""
    encoding = "utf-16-be" if field[0] == 16 else "latin-1"
    return field[1 : field[-1]].decode(encoding, "replace").rstrip("\0 ")


def _boots(image: PyCdlib) -> list[str]:
    catalog = image.eltorito_boot_catalog
    if catalog is None:
        return []
    platforms = [catalog.validation_entry.platform_id, *(section.platform_id for section in catalog.sections)]
    return sorted({_PLATFORMS[one] for one in platforms if one in _PLATFORMS})


class _Names:
    """Files by their path, in whichever of the image's trees has them."""

    def __init__(self, image: PyCdlib) -> None:
        self._image = image
        trees = (
            ("udf_path", image.has_udf()),
            ("rr_path", image.has_rock_ridge()),
            ("joliet_path", image.has_joliet()),
        )
        self._trees = [tree for tree, present in trees if present]

    def has(self, path: str) -> bool:
        return self._place(path) is not None

    def text(self, path: str) -> str | None:
        """The beginning of a text file."""
        with self.opened(path) as file:
            return None if file is None else file.read(_LONGEST_TEXT).decode("utf-8", "replace")

    @contextmanager
    def opened(self, path: str) -> Iterator[BinaryIO | None]:
        place = self._place(path)
        if place is None or not self._image.get_record(**place).is_file():
            yield None
            return
        with self._image.open_file_from_iso(**place) as file:
            yield file

    def _place(self, path: str) -> dict[str, str] | None:
        for tree in self._trees:
            try:
                if self._image.get_record(**{tree: f"/{path}"}) is not None:
                    return {tree: f"/{path}"}
            except PyCdlibException:
                continue
        return None


def _images(names: _Names) -> list[dict[str, Any]]:
    for path in _WIMS:
        with names.opened(path) as file:
            if file is not None:
                return _wim_images(file)
    return []


def _wim_images(file: BinaryIO) -> list[dict[str, Any]]:
    """The images of a WIM or ESD file, from the XML at its end."""
    header = file.read(_WIM_HEADER)
    if len(header) < _WIM_HEADER or header[:8] != _WIM_MAGIC:
        raise Unreadable("Its install.wim is damaged")
    packed, offset, length = struct.unpack_from("<QQQ", header, 72)
    if packed & 0xFFFFFFFFFFFFFF != length or length > _LARGEST_XML:
        raise Unreadable("Its install.wim has no table of contents that can be read")
    file.seek(offset)
    text = file.read(length)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.parse(BytesIO(text.decode("utf-16").encode()), parser)
    except (UnicodeDecodeError, etree.XMLSyntaxError) as error:
        raise Unreadable("Its install.wim has a damaged table of contents") from error
    return [_wim_image(image) for image in islice(root.iterfind("IMAGE"), _MOST_IMAGES)]


def _wim_image(image: Any) -> dict[str, Any]:
    def text(path: str) -> str:
        return (image.findtext(path) or "").strip()[:_LONGEST_NAME]

    build = text("WINDOWS/VERSION/BUILD")
    return {
        "name": text("DISPLAYNAME") or text("NAME"),
        "build": int(build) if build.isascii() and build.isdigit() and len(build) < 9 else 0,
        "architecture": _WIM_ARCHITECTURES.get(text("WINDOWS/ARCH"), ""),
        "kind": text("WINDOWS/INSTALLATIONTYPE") or "Client",
    }


if __name__ == "__main__":
    main()

"""What an ISO says of itself, read by a program of its own, since nobody knows yet whether the image was made to harm.

`main(FILE)` prints JSON: `{"label", "texts", "paths", "images", "boots"}`, or `{"problem": sentence}`.
"""

from __future__ import annotations

import json
import os
import resource
import stat
import struct
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from lxml import etree

from infinibay.errors import UnusableMedium
from infinibay.unattended.media.iso import BIOS, UEFI, Image, boot_entries, read_image

_MEMORY = 1024**3
_SECONDS = 20
_LONGEST_TEXT = 16 * 1024
_LONGEST_NAME = 200
_MOST_IMAGES = 100
_LARGEST_XML = 8 * 1024**2
_TEXTS = (".disk/info", ".treeinfo")
_PATHS = (
    *("install.amd/vmlinuz", "install.a64/vmlinuz", "install.386/vmlinuz"),
    *("repodata/repomd.xml", "BaseOS/repodata/repomd.xml"),
)
_WIMS = ("sources/install.wim", "sources/install.esd")
_WIM_HEADER = 208
_WIM_MAGIC = b"MSWIM\0\0\0"
_WIM_ARCHITECTURES = {"0": "i386", "5": "arm", "9": "amd64", "12": "arm64"}
_FIRMWARES = {BIOS: "bios", UEFI: "efi"}


def main(path: str) -> None:
    """Prints what the file says, within limits on time and memory."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    try:
        answer: Mapping[str, Any] = read(path)
    except UnusableMedium as error:
        answer = {"problem": f"{error.message[0].upper()}{error.message[1:]}"}
    # Whatever a crafted image brings the libraries to, the file is no medium; whoever started this hears of it.
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        answer = {"problem": "The ISO file cannot be read"}
    print(json.dumps(answer))  # noqa: T201 - this is a program's output


def read(path: str) -> dict[str, Any]:
    """What the image says. Raises UnusableMedium."""
    with _opened(path) as file, read_image("file", file) as image:
        return {
            "label": image.label,
            "texts": {one: text for one in _TEXTS if (text := _text(image, one)) is not None},
            "paths": [one for one in _PATHS if image.find(one) is not None],
            "images": _images(image),
            "boots": sorted({_FIRMWARES[one.platform] for one in boot_entries(file) if one.platform in _FIRMWARES}),
        }


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """The file; neither a link nor anything else that has a name is opened or waited for."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise UnusableMedium(f"{Path(path).name} is no file")
        yield file


def _text(image: Image, path: str) -> str | None:
    """The beginning of a text file."""
    extent = image.find(path)
    if extent is None:
        return None
    image.file.seek(extent.offset)
    return image.file.read(min(extent.length, _LONGEST_TEXT)).decode("utf-8", "replace")


def _images(image: Image) -> list[dict[str, Any]]:
    """The images of a Windows medium, from the XML that the header of its WIM or ESD file leads to."""
    extent = next((found for path in _WIMS if (found := image.find(path)) is not None), None)
    if extent is None:
        return []
    image.file.seek(extent.offset)
    header = image.file.read(_WIM_HEADER)
    if len(header) < _WIM_HEADER or header[:8] != _WIM_MAGIC:
        raise UnusableMedium("Its install.wim is damaged")
    packed, offset, length = struct.unpack_from("<QQQ", header, 72)
    if packed & 0xFFFFFFFFFFFFFF != length or length > _LARGEST_XML or offset + length > extent.length:
        raise UnusableMedium("Its install.wim has no table of contents that can be read")
    image.file.seek(extent.offset + offset)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.parse(BytesIO(image.file.read(length).decode("utf-16").encode()), parser)
    except (UnicodeDecodeError, etree.XMLSyntaxError) as error:
        raise UnusableMedium("Its install.wim has a damaged table of contents") from error
    return [_wim_image(one) for one in islice(root.iterfind("IMAGE"), _MOST_IMAGES)]


def _wim_image(image: Any) -> dict[str, Any]:
    def text(path: str) -> str:
        return (image.findtext(path) or "").strip()[:_LONGEST_NAME]

    return {
        "index": _number(image.get("INDEX") or ""),
        "name": text("DISPLAYNAME") or text("NAME"),
        "edition": text("WINDOWS/EDITIONID"),
        "build": _number(text("WINDOWS/VERSION/BUILD")),
        "architecture": _WIM_ARCHITECTURES.get(text("WINDOWS/ARCH"), ""),
        "language": text("WINDOWS/LANGUAGES/DEFAULT") or "en-US",
        "kind": text("WINDOWS/INSTALLATIONTYPE") or "Client",
    }


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0

"""Small ISO images with the layouts that the systems' makers give to theirs; a few hundred kilobytes, made in
milliseconds."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from pycdlib import PyCdlib

_SECTOR = 2048
# What a BIOS starts from it halts at once (cli, hlt, jmp): guests that need not boot rest there.
_HALT = b"\xfa\xf4\xeb\xfd".ljust(_SECTOR, b"\0")


def linux_iso(
    to: Path, label: str, files: Mapping[str, str | bytes], *, boots: Sequence[str] = ("bios", "efi"), extra: int = 0
) -> Path:
    """Written by xorriso with Rock Ridge and Joliet, as the makers do; `extra` bytes more."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        (tree / "boot").mkdir(parents=True)
        for path, content in {**files, "boot/bios.img": _HALT, "boot/efi.img": bytes(_SECTOR)}.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(content if isinstance(content, bytes) else content.encode())
        (tree / "filler").write_bytes(bytes(extra))
        records = {
            "bios": ["-b", "boot/bios.img", "-no-emul-boot", "-boot-load-size", "4"],
            "efi": ["-eltorito-alt-boot", "-e", "boot/efi.img", "-no-emul-boot"],
        }
        command = ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", label]
        if boots:
            command += ["-c", "boot/boot.catalog", *(word for one in boots for word in records[one])]
        subprocess.run([*command, "-o", to, tree], check=True, capture_output=True)
    return to


def ubuntu_iso(to: Path, version: str = "24.04.1", edition: str = "Ubuntu-Server", *, extra: int = 0) -> Path:
    info = f'{edition} {version} LTS "Noble Numbat" - Release amd64 (20240827)\n'
    files = {".disk/info": info, "casper/vmlinuz": "kernel", "casper/install-sources.yaml": "- id: ubuntu-server\n"}
    return linux_iso(to, f"{edition} {version} LTS amd64", files, extra=extra)


def fedora_iso(to: Path, version: str = "41") -> Path:
    tree = (
        f"[general]\narch = x86_64\nfamily = Fedora\nname = Fedora {version}\nvariant = Server\nversion = {version}\n"
        f"[release]\nname = Fedora\nshort = Fedora\nversion = {version}\n"
        "[images-x86_64]\nkernel = images/pxeboot/vmlinuz\n"
    )
    packages = {"repodata/repomd.xml": "<repomd/>"}
    files = {".treeinfo": tree, "images/pxeboot/vmlinuz": "kernel", **packages}
    return linux_iso(to, f"Fedora-S-dvd-x86_64-{version}", files)


def windows_xml(*images: tuple[str, int, str], kind: str = "Client") -> str:
    """The table of contents of an install.wim: name, build and architecture (0, 9, 12) of each image."""
    listed = "".join(
        f'<IMAGE INDEX="{index}"><NAME>{name}</NAME><WINDOWS><ARCH>{architecture}</ARCH>'
        f"<INSTALLATIONTYPE>{kind}</INSTALLATIONTYPE><VERSION><MAJOR>10</MAJOR><BUILD>{build}</BUILD></VERSION></WINDOWS>"
        "</IMAGE>"
        for index, (name, build, architecture) in enumerate(images, start=1)
    )
    return f"<WIM>{listed}</WIM>"


def wim(xml: str) -> bytes:
    """A WIM file without images, which ends with its table of contents."""
    text = b"\xff\xfe" + xml.encode("utf-16-le")
    header = bytearray(208)
    header[:8] = b"MSWIM\0\0\0"
    header[72:96] = b"".join(number.to_bytes(8, "little") for number in (len(text) | 2 << 56, 208 + 512, len(text)))
    return bytes(header) + bytes(512) + text


def windows_iso(to: Path, install: bytes, name: str = "install.wim") -> Path:
    """Real Windows discs have a README in their ISO 9660 tree, and everything else in UDF."""
    image = PyCdlib()
    image.new(interchange_level=3, vol_ident="CCCOMA_X64FRE_EN-US_DV9", udf="2.60")
    readme = b"This disc contains a UDF file system.\r\n"
    image.add_fp(BytesIO(readme), len(readme), "/README.TXT;1")
    for number, place in enumerate(("boot/etfsboot.com", "efi/microsoft/boot/efisys.bin")):
        _add(image, place, _HALT, iso_path=f"/BOOT{number}.;1")
    _add(image, f"sources/{name}", install)
    image.add_eltorito("/BOOT0.;1", "/BOOT.CAT;1", boot_load_size=8)
    image.add_eltorito("/BOOT1.;1", "/BOOT.CAT;1", efi=True)
    image.write(str(to))
    image.close()
    return to


def _add(image: PyCdlib, place: str, content: bytes, iso_path: str | None = None) -> None:
    folder = ""
    for part in place.split("/")[:-1]:
        folder += f"/{part}"
        image.add_directory(udf_path=folder)
    image.add_fp(BytesIO(content), len(content), iso_path=iso_path, udf_path=f"/{place}")


def windows11_iso(to: Path) -> Path:
    return windows_iso(to, wim(windows_xml(("Windows 11 Home", 22631, "9"), ("Windows 11 Pro", 22631, "9"))))


def windows10_iso(to: Path) -> Path:
    return windows_iso(to, wim(windows_xml(("Windows 10 Pro", 19045, "9"))))

"""Real images with the layouts of each family, and files that only pretend to be one."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from infinibay.errors import MediumUnread
from infinibay.services.isos import recognition
from infinibay.services.isos.recognition import NoMedium, recognized
from tests.support.iso_layouts import (
    fedora_iso,
    linux_iso,
    ubuntu_iso,
    wim,
    windows10_iso,
    windows11_iso,
    windows_iso,
    windows_xml,
)


async def test_the_families(tmp_path: Path) -> None:
    ubuntu = await recognized(ubuntu_iso(tmp_path / "u"))
    assert (ubuntu.system, ubuntu.version, ubuntu.editions, ubuntu.architecture) == (
        "ubuntu",
        "24.04.1",
        ("Server",),
        "amd64",
    )
    fedora = await recognized(fedora_iso(tmp_path / "f"))
    assert (fedora.system, fedora.version, fedora.label) == ("fedora", "41", "Fedora-S-dvd-x86_64-41")
    windows = await recognized(windows11_iso(tmp_path / "w"))
    assert (windows.system, windows.version, windows.editions) == (
        "windows11",
        "22631",
        ("Windows 11 Home", "Windows 11 Pro"),
    )
    assert (await recognized(windows10_iso(tmp_path / "v"))).system == "windows10"
    assert {one.boots for one in (ubuntu, fedora, windows)} == {("bios", "efi")}
    esd = windows_iso(tmp_path / "e", wim(windows_xml(("Windows 10 Pro", 19045, "9"))), "install.esd")
    assert (await recognized(esd)).version == "19045"
    debian = {
        ".disk/info": 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST 20240210-11:27',
        "install.amd/vmlinuz": "kernel",
    }
    assert (await recognized(linux_iso(tmp_path / "d", "Debian 12.5.0 amd64 n", debian))).system == "debian"


@pytest.mark.parametrize(("boots", "problem"), [(("bios",), None), ((), "It has no boot record")])
async def test_boot_records(tmp_path: Path, boots: tuple[str, ...], problem: str | None) -> None:
    found = await recognized(linux_iso(tmp_path / "x", "Fedora-S-dvd-x86_64-41", {}, boots=boots))
    assert (found.boots, found.problem) == (boots, problem)


@pytest.mark.parametrize("make", [ubuntu_iso, windows11_iso])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.99])
async def test_an_image_that_was_cut_off(tmp_path: Path, make: Callable[[Path], Path], part: float) -> None:
    whole = make(tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(NoMedium, match=r"truncated|not an ISO"):
        await recognized(tmp_path / "cut")


def _patched(image: bytes, offset: int, value: bytes) -> bytes:
    return image[:offset] + value + image[offset + len(value) :]


_ROOT = 16 * 2048 + 156


@pytest.mark.parametrize(
    "harm",
    [
        lambda _: b"",
        lambda _: b"medium",
        lambda _: bytes(1024 * 1024),
        lambda image: _patched(image, _ROOT + 2, struct.pack("<I", 0xFFFFFFF0)),
        lambda image: _patched(image, _ROOT + 10, struct.pack("<I", 0x7FFFFFFF)),
        lambda image: _patched(image, 17 * 2048 + 71, struct.pack("<I", 0xFFFFFFFF)),
        lambda image: image[: 18 * 2048] + os.urandom(len(image) - 18 * 2048),
    ],
    ids=["empty", "text", "zeros", "root outside", "endless root", "boot record outside", "noise"],
)
async def test_an_image_that_was_made_to_harm_is_no_medium(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    (tmp_path / "harm").write_bytes(harm(ubuntu_iso(tmp_path / "whole").read_bytes()))
    with pytest.raises(NoMedium):
        await recognized(tmp_path / "harm")


@pytest.mark.parametrize(
    "xml",
    [
        "<WIM>",
        '<!DOCTYPE w [<!ENTITY e SYSTEM "file:///etc/passwd">]><WIM><IMAGE><NAME>&e;</NAME></IMAGE></WIM>',
        "<WIM><IMAGE><WINDOWS><VERSION><BUILD>99999999999999999999</BUILD></VERSION></WINDOWS></IMAGE></WIM>",
        "<!DOCTYPE w ["
        + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 100}">' for n in range(12))
        + "]>"
        "<WIM><IMAGE><NAME>&e11;</NAME></IMAGE></WIM>",
    ],
    ids=["cut", "entity", "large number", "entities in entities"],
)
async def test_a_table_of_windows_images_that_was_made_to_harm(tmp_path: Path, xml: str) -> None:
    try:
        found = await recognized(windows_iso(tmp_path / "w", wim(xml)))
    except NoMedium:
        return
    assert (found.system, found.problem is not None) == ("windows", True)
    assert "root:" not in repr(found)


async def test_only_a_file_is_looked_at(tmp_path: Path) -> None:
    ubuntu_iso(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder", "nothing"):
        with pytest.raises(NoMedium):
            await recognized(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "value"), [("_SECONDS", 0), ("_PROGRAM", "import os; os.kill(os.getpid(), 9)")], ids=["slow", "killed"]
)
async def test_a_reader_that_does_not_end_by_itself_says_nothing_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(recognition, name, value)
    with pytest.raises(MediumUnread):
        await recognized(ubuntu_iso(tmp_path / "u"))

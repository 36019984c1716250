"""Disk images from outside: only whole ones are taken, and copies stand on nothing."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from infinibay.errors import HostFailure, UnusableMedium
from infinibay.unattended.media import disk_image

_MB = 1024**2


def _qemu_img(*arguments: str | Path) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


def _told(path: Path) -> dict[str, object]:
    said = subprocess.run(["qemu-img", "info", "--output=json", path], check=True, capture_output=True)
    found: dict[str, object] = json.loads(said.stdout)
    return found


def _write_sevens(path: Path) -> None:
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 65536 65536", path], check=True, capture_output=True)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _standing_on_passwords(folder: Path) -> Path:
    path = folder / "harmful.qcow2"
    _qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", path)
    return path


def _with_data_elsewhere(folder: Path) -> Path:
    path = folder / "harmful.qcow2"
    _qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={folder / 'data'},data_file_raw=on", path, "1M")
    return path


def _whose_backing_hides(folder: Path) -> Path:
    """The offset of a backing file that qemu-img would read as JSON, in a header that says nothing else."""
    path = folder / "harmful.qcow2"
    _qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    name = b'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}'
    content = bytearray(path.read_bytes())
    content[512 : 512 + len(name)] = name
    struct.pack_into(">QI", content, 8, 512, len(name))
    path.write_bytes(content)
    return path


def _truncated(folder: Path) -> Path:
    path = folder / "harmful.qcow2"
    path.write_bytes(b"QFI\xfb\0\0\0\3")
    return path


def _link(folder: Path) -> Path:
    path = folder / "harmful.img"
    path.symlink_to("/etc/passwd")
    return path


def _pipe(folder: Path) -> Path:
    path = folder / "harmful.img"
    os.mkfifo(path)
    return path


def _of_another_kind(folder: Path) -> Path:
    path = folder / "harmful.img"
    _qemu_img("create", "-q", "-f", "vmdk", path, "1M")
    return path


def _empty(folder: Path) -> Path:
    path = folder / "harmful.img"
    path.touch()
    return path


@pytest.mark.parametrize(
    "harm",
    [
        _standing_on_passwords,
        _with_data_elsewhere,
        _whose_backing_hides,
        _truncated,
        _link,
        _pipe,
        _of_another_kind,
        _empty,
        lambda folder: folder / "absent.img",
    ],
)
async def test_what_is_not_whole_is_refused_and_nothing_is_told_of_what_it_names(
    tmp_path: Path, harm: Callable[[Path], Path]
) -> None:
    path = harm(tmp_path)
    with pytest.raises(UnusableMedium) as refused:
        await disk_image.look(path)
    assert path.name in refused.value.message
    assert "/" not in refused.value.message


async def test_a_whole_image_is_known_by_its_size_and_any_change(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    _qemu_img("create", "-q", "-f", "qcow2", path, str(1024**3 + 1024))
    found = await disk_image.look(path)
    assert (found.format, found.size, found.size_gb) == ("qcow2", 1024**3 + 1024, 2)
    path.write_bytes(path.read_bytes())
    assert (await disk_image.look(path)).stamp != found.stamp


async def test_a_copy_holds_the_whole_chain_for_its_owner_alone(tmp_path: Path) -> None:
    base, top, copy = tmp_path / "base.img", tmp_path / "top.qcow2", tmp_path / "copy.qcow2"
    base.write_bytes(b"first".ljust(_MB, b"\0"))
    _qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, top)
    _write_sevens(top)

    await disk_image.copy(top, "qcow2", copy, size=2 * _MB)

    told = _told(copy)
    assert "backing-filename" not in told
    assert told["virtual-size"] == 2 * _MB
    assert copy.stat().st_mode & 0o777 == 0o600
    raw = tmp_path / "raw"
    _qemu_img("convert", "-O", "raw", copy, raw)
    content = raw.read_bytes()
    assert content[:5] == b"first"
    assert content[65536 : 2 * 65536] == b"\7" * 65536
    assert _names(tmp_path) == ["base.img", "copy.qcow2", "raw", "top.qcow2"]


async def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.qcow2"
    broken.write_bytes(b"no image")
    with pytest.raises(HostFailure):
        await disk_image.copy(broken, "qcow2", tmp_path / "copy.qcow2")
    assert _names(tmp_path) == ["broken.qcow2"]

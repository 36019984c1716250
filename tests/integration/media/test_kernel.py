"""Kernels: read out of the ISO once, linked into each machine's directory, never those of another ISO."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from hypothesis import assume, given

from infinibay.errors import HostFailure, UnusableMedium
from infinibay.unattended.media import initrd
from infinibay.unattended.media.iso import check_same
from infinibay.unattended.media.kernel import Kernels
from tests.integration.media.conftest import Isos
from tests.support import media
from tests.support.guest_iso import build_guest_iso
from tests.support.scale import count
from tests.support.trees import TREES

_LAST = "TRAILER!!!"
PRESEED = {"preseed.cfg": b"d-i passwd/username string dev\n", "scripts/late.sh": b"#!/bin/sh\n"}


@pytest.fixture(scope="module")
def guest() -> tuple[bytes, bytes]:
    """The kernel and initramfs that lie on every ISO."""
    iso = build_guest_iso()
    return media.read_iso(iso, "casper/vmlinuz"), media.read_iso(iso, "casper/initrd")


def machine(tmp_path: Path, name: str = "machine") -> Path:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    return folder


def damaged(isos: Isos) -> bytes:
    """Whole by its size, with nothing where its folders were."""
    whole = isos.ubuntu.read_bytes()
    return whole[: 18 * 2048] + bytes(200 * 2048) + whole[218 * 2048 :]


async def test_each_family_gives_its_kernel(tmp_path: Path, isos: Isos, guest: tuple[bytes, bytes]) -> None:
    kernels = Kernels(tmp_path / "cache")
    for number, iso in enumerate(isos.linux):
        placed = await kernels.place(iso, machine(tmp_path, str(number)))
        assert (placed.kernel.read_bytes(), placed.initrd.read_bytes()) == guest
        assert placed.label == media.iso_label(iso)
        check_same(iso, placed.medium)
    assert len(media.names(tmp_path / "cache")) == len(isos.linux)


async def test_many_machines_share_one_copy_that_is_read_once(tmp_path: Path, isos: Isos) -> None:
    kernels = Kernels(tmp_path / "cache")
    folders = [machine(tmp_path, f"machine-{number}") for number in range(20)]
    placed = await asyncio.gather(*(kernels.place(isos.ubuntu, folder) for folder in folders))
    assert len({files.kernel.stat().st_ino for files in placed}) == 1
    assert len({files.initrd.stat().st_ino for files in placed}) == 1
    assert placed[0].kernel.stat().st_nlink == 21
    assert placed[0].kernel.stat().st_mode & 0o777 == 0o644
    again = await kernels.place(isos.ubuntu, folders[0])
    assert again == placed[0]
    assert again.kernel.stat().st_nlink == 21
    await kernels.remove(folders[0])
    await kernels.remove(folders[0])
    assert media.names(folders[0]) == []
    assert placed[1].kernel.stat().st_nlink == 20


async def test_files_are_added_to_a_private_initrd(tmp_path: Path, isos: Isos, guest: tuple[bytes, bytes]) -> None:
    kernels, folder = Kernels(tmp_path / "cache"), machine(tmp_path)
    placed = await kernels.place(isos.debian, folder, added=PRESEED)
    assert placed.initrd.stat().st_mode & 0o777 == 0o600
    whole = placed.initrd.read_bytes()
    assert whole.startswith(guest[1])
    added = gzip.decompress(whole[-(-len(guest[1]) // 4) * 4 :])
    media.run("cpio", "-id", "--quiet", cwd=machine(tmp_path, "root"), data=added)
    assert {path: (tmp_path / "root" / path).read_bytes() for path in PRESEED} == PRESEED
    before = placed.initrd.stat()
    await kernels.place(isos.debian, folder, added=PRESEED)
    assert (placed.initrd.stat().st_ino, placed.initrd.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    await kernels.place(isos.debian, folder, added=PRESEED | {"preseed.cfg": b"other\n"})
    assert placed.initrd.read_bytes() != whole
    await kernels.place(isos.debian, folder)
    assert placed.initrd.read_bytes() == guest[1]


@pytest.mark.parametrize("path", [_LAST, f"{_LAST}/preseed.cfg"])
def test_what_would_end_an_archive_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=f"{_LAST} ends an archive"):
        initrd.archive({path: b"", "zzz": b""})


@given(TREES)
@hypothesis.settings(max_examples=count(25, 300), deadline=None)
def test_any_tree_goes_into_an_initrd_and_comes_out(tree: dict[str, bytes]) -> None:
    assume(all(path.split("/")[0] != _LAST for path in tree))
    with tempfile.TemporaryDirectory() as name:
        media.run("cpio", "-id", "--quiet", cwd=Path(name), data=gzip.decompress(initrd.archive(tree)))
        files = {path for path in Path(name).rglob("*") if path.is_file()}
        assert {str(path.relative_to(name)): path.read_bytes() for path in files} == tree
    assert initrd.archive(dict(reversed(tree.items()))) == initrd.archive(tree)


async def test_the_longest_unused_go_and_no_machine_loses_anything(
    tmp_path: Path, isos: Isos, guest: tuple[bytes, bytes]
) -> None:
    kernels = Kernels(tmp_path / "cache", limit=2 * sum(map(len, guest)))
    first = await kernels.place(isos.ubuntu, machine(tmp_path, "1"))
    await kernels.place(isos.debian, machine(tmp_path, "2"))
    await kernels.place(isos.ubuntu, machine(tmp_path, "3"))
    await kernels.place(isos.fedora, machine(tmp_path, "4"))
    assert len(media.names(tmp_path / "cache")) == 2
    assert first.kernel.stat().st_nlink == 3  # Used again later than Debian's, so it stayed.
    await kernels.place(isos.fedora_file, machine(tmp_path, "5"))
    assert (first.kernel.read_bytes(), first.initrd.read_bytes()) == guest


async def test_a_machine_on_another_file_system_gets_a_copy(
    tmp_path: Path, large: Path, isos: Isos, guest: tuple[bytes, bytes]
) -> None:
    placed = await Kernels(tmp_path / "cache").place(isos.ubuntu, large)
    assert (placed.kernel.read_bytes(), placed.initrd.read_bytes()) == guest
    assert placed.kernel.stat().st_mode & 0o777 == 0o644


async def test_a_swapped_iso_is_noticed_and_gives_its_own_kernel(
    tmp_path: Path, isos: Isos, guest: tuple[bytes, bytes]
) -> None:
    iso = tmp_path / "given.iso"
    shutil.copy(isos.ubuntu, iso)
    kernels = Kernels(tmp_path / "cache")
    placed = await kernels.place(iso, machine(tmp_path))
    times = iso.stat().st_atime_ns, iso.stat().st_mtime_ns
    # Another medium of the same name, size and time.
    changed = bytearray(iso.read_bytes())
    start = changed.index(guest[0])
    changed[start : start + 4] = b"NEW!"
    other = tmp_path / "other.iso"
    other.write_bytes(changed)
    os.utime(other, ns=times)
    other.rename(iso)
    with pytest.raises(UnusableMedium, match="was changed while it was in use"):
        check_same(iso, placed.medium)
    await kernels.place(iso, machine(tmp_path))
    assert placed.kernel.read_bytes() == b"NEW!" + guest[0][4:]


async def test_what_libvirt_does_to_an_iso_makes_it_no_other(tmp_path: Path, isos: Isos) -> None:
    iso = tmp_path / "given.iso"
    shutil.copy(isos.ubuntu, iso)
    placed = await Kernels(tmp_path / "cache").place(iso, machine(tmp_path))
    os.chown(iso, 1, 1)
    iso.chmod(0o400)
    check_same(iso, placed.medium)


@pytest.mark.parametrize(
    ("said", "spoil"),
    [
        ("is truncated", lambda isos: isos.ubuntu.read_bytes()[: -(1024**2)]),
        ("is truncated", lambda isos: isos.debian.read_bytes()[: 100 * 2048]),
        ("is truncated", lambda isos: isos.windows.read_bytes()[: -(1024**2)]),
        ("is not an ISO", lambda isos: b""),
        ("is not an ISO", lambda isos: bytes(1024**2)),
        ("cannot be read: its file system is damaged", damaged),
        ("holds no kernel of an installer", lambda isos: isos.windows.read_bytes()),
    ],
)
async def test_an_unusable_iso_is_said_and_leaves_nothing(
    tmp_path: Path, isos: Isos, said: str, spoil: Callable[[Isos], bytes]
) -> None:
    iso = tmp_path / "given.iso"
    iso.write_bytes(spoil(isos))
    with pytest.raises(UnusableMedium, match=said):
        await Kernels(tmp_path / "cache").place(iso, machine(tmp_path))
    assert media.names(tmp_path / "cache") == media.names(tmp_path / "machine") == []


async def test_an_iso_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnusableMedium, match="is gone"):
        await Kernels(tmp_path / "cache").place(tmp_path / "absent.iso", machine(tmp_path))


async def test_a_full_disk_is_said_and_leaves_nothing(small: Path, tmp_path: Path, isos: Isos) -> None:
    with pytest.raises(HostFailure, match="MB are needed"):
        await Kernels(small / "cache").place(isos.ubuntu, machine(tmp_path))
    assert media.names(small / "cache") == media.names(tmp_path / "machine") == []

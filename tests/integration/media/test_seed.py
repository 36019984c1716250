"""Seeds: any tree goes in and comes out, by programs that know nothing of the product."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings

from infinibay.errors import HostFailure
from infinibay.unattended.media import seed
from tests.support import media
from tests.support.scale import count
from tests.support.trees import TREES
from tests.support.wait import until_sync

FILES = {"user-data": b"#cloud-config\n", "meta-data": b"", "nocloud/network-config": b"version: 2\n" * 1000}


@given(TREES)
@settings(max_examples=count(25, 300), deadline=None)
def test_any_tree_goes_in_and_comes_out(tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "seed.iso").write_bytes(seed.image("OEMDRV", tree))
        extract = ("-osirrox", "on", "-indev", folder / "seed.iso", "-extract", "/", folder / "linux")
        media.run("xorriso", "-no_rc", *extract)
        found = {str(p.relative_to(folder / "linux")): p for p in (folder / "linux").rglob("*") if p.is_file()}
        assert {path: file.read_bytes() for path, file in found.items()} == tree
        # 7z takes the names that Windows takes.
        assert media.unpack(folder / "seed.iso", folder / "windows") == tree


async def test_the_seed_is_found_by_its_label_and_is_private(tmp_path: Path) -> None:
    target = tmp_path / "seed.iso"
    await seed.write(target, "CIDATA", FILES)
    assert media.iso_label(target) == "CIDATA"
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.stat().st_size < 1024**2
    assert media.names(tmp_path) == ["seed.iso"]
    assert media.read_iso(target, "nocloud/network-config") == FILES["nocloud/network-config"]


async def test_the_same_files_are_the_same_bytes_at_any_time_and_a_second_run_touches_nothing(tmp_path: Path) -> None:
    target = tmp_path / "seed.iso"
    await seed.write(target, "CIDATA", FILES)
    first, second = target.stat(), int(time.time())
    until_sync(lambda: int(time.time()) > second, what="another second")
    assert seed.image("CIDATA", dict(reversed(FILES.items()))) == target.read_bytes()
    await seed.write(target, "CIDATA", FILES)
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    await seed.write(target, "CIDATA", FILES | {"meta-data": b"instance-id: 1\n"})
    assert target.stat().st_ino != first.st_ino
    assert media.read_iso(target, "meta-data") == b"instance-id: 1\n"


async def test_what_a_killed_writer_left_goes_with_the_next_or_with_the_seed(tmp_path: Path) -> None:
    target, left = tmp_path / "seed.iso", tmp_path / ".seed.iso.part"
    left.write_bytes(b"half")
    await seed.write(target, "CIDATA", FILES)
    assert media.names(tmp_path) == ["seed.iso"]
    left.write_bytes(b"half")
    await seed.remove(target)
    await seed.remove(target)
    assert media.names(tmp_path) == []


@pytest.mark.parametrize("label", ["", "x" * 17, "Ü", "a\nb"])
async def test_a_label_that_no_medium_can_have_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(ValueError, match="cannot be the label"):
        await seed.write(tmp_path / "seed.iso", label, FILES)
    assert media.names(tmp_path) == []


async def test_a_full_disk_is_said_and_leaves_nothing(small: Path) -> None:
    with pytest.raises(HostFailure, match="no space left"):
        await seed.write(small / "seed.iso", "CIDATA", {"large": bytes(7 * 1024**2)})
    assert media.names(small) == []


async def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(HostFailure, match="No such file or directory"):
        await seed.write(tmp_path / "absent" / "seed.iso", "CIDATA", FILES)

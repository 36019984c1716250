"""The overlay: one entry of the boot catalog differs, and the ISO is not touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from infinibay.errors import HostFailure, UnusableMedium
from infinibay.unattended.media import overlay
from infinibay.unattended.media.iso import SECTOR, UEFI, boot_entries, image
from tests.integration.media.conftest import Isos
from tests.support import media


async def test_only_the_catalogs_entry_for_uefi_differs(tmp_path: Path, isos: Isos) -> None:
    given, target = isos.windows.read_bytes(), tmp_path / "boot.qcow2"
    await overlay.write(target, isos.windows)
    assert isos.windows.read_bytes() == given
    assert media.names(tmp_path) == ["boot.qcow2"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.stat().st_size < 1024**2
    media.run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", target, tmp_path / "seen.iso")
    seen = (tmp_path / "seen.iso").read_bytes()
    with image(isos.windows) as tree:
        entry = next(entry for entry in boot_entries(tree.file) if entry.platform == UEFI)
        silent = tree.find(overlay.EFI_SILENT)
    assert silent is not None
    assert seen[entry.offset + 8 : entry.offset + 12] == (silent.offset // SECTOR).to_bytes(4, "little")
    assert seen[: entry.offset + 8] + given[entry.offset + 8 : entry.offset + 12] + seen[entry.offset + 12 :] == given


async def test_it_names_its_iso_and_a_second_run_touches_nothing(tmp_path: Path, isos: Isos) -> None:
    target = tmp_path / "boot.qcow2"
    await overlay.write(target, isos.windows)
    told = json.loads(media.run("qemu-img", "info", "--output=json", target))
    assert (told["backing-filename"], told["backing-filename-format"]) == (str(isos.windows), "raw")
    before = target.stat()
    await overlay.write(target, isos.windows)
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    await overlay.remove(target)
    await overlay.remove(target)
    assert media.names(tmp_path) == []


async def test_a_name_with_blanks_and_quotes_is_only_a_name(tmp_path: Path, isos: Isos) -> None:
    folder = tmp_path / 'it\'s $a "disk", or not'
    folder.mkdir()
    iso = folder / "win 11.iso"
    shutil.copy(isos.windows, iso)
    await overlay.write(folder / "boot disk.qcow2", iso)
    told = json.loads(media.run("qemu-img", "info", "--output=json", folder / "boot disk.qcow2"))
    assert told["backing-filename"] == str(iso)


async def test_a_medium_that_is_no_windows_is_refused(tmp_path: Path, isos: Isos) -> None:
    with pytest.raises(UnusableMedium, match="no boot image of Windows"):
        await overlay.write(tmp_path / "boot.qcow2", isos.ubuntu)
    assert media.names(tmp_path) == []


async def test_a_missing_directory_is_said(tmp_path: Path, isos: Isos) -> None:
    with pytest.raises(HostFailure, match="absent"):
        await overlay.write(tmp_path / "absent/boot.qcow2", isos.windows)

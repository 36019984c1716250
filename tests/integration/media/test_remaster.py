"""Remastered media: the given one with answer files and menus of our own, and everything else as it was."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infinibay.errors import HostFailure, UnusableMedium
from infinibay.unattended.media import linux_image, programs, windows_image
from infinibay.unattended.media.iso import boot_entries, image
from infinibay.unattended.media.overlay import EFI_SILENT
from infinibay.unattended.media.remaster import Contents, Remasters
from tests.integration.media.conftest import Isos
from tests.support import media
from tests.support.wait import until

ROOT = Path(__file__).parents[3]
FILES = {"nocloud/user-data": b"#cloud-config\n", "autounattend.xml": b"<unattend/>", "ks.cfg": b"text\n"}
CONTENTS = Contents(FILES, ("autoinstall", "ds=nocloud;s=/cdrom/nocloud/"))
# Takes an ISO until it is killed.
TAKER = """
import asyncio, sys
from pathlib import Path
from infinibay.unattended.media.remaster import Contents, Remasters

remasters = Remasters(Path(sys.argv[1]), asyncio.Semaphore(1))
asyncio.run(remasters.take(Path(sys.argv[2]), Contents({"a": b"a"}), "machine"))
"""


@pytest.fixture
def remasters(tmp_path: Path) -> Remasters:
    return Remasters(tmp_path / "temp", asyncio.Semaphore(1))


def entries(tmp_path: Path) -> list[str]:
    """The ISOs in the folder, and what is being built."""
    return [name for name in media.names(tmp_path / "temp") if name != ".key"]


def boot_records(iso: Path) -> list[str]:
    """What xorriso says of El Torito and the partitions, without places, sizes and the gap behind the last one."""
    report = media.run("xorriso", "-indev", iso, "-report_el_torito", "plain", "-report_system_area", "plain").decode()
    lines = [" ".join(line.split()) for line in report.splitlines()]
    images = [line.rpartition(" ")[0] for line in lines if line.startswith("El Torito boot img")]
    kept = ("El Torito img path", "El Torito img opts", "System area summary", "GPT type GUID : 1", "GPT type GUID : 2")
    return [*images, *(line for line in lines if line.startswith(kept))]


@pytest.mark.parametrize("name", ["ubuntu", "debian", "fedora", "fedora_file"])
async def test_a_linux_medium_keeps_all_but_its_menus(
    tmp_path: Path, isos: Isos, remasters: Remasters, name: str
) -> None:
    given = getattr(isos, name)
    made = await remasters.take(given, CONTENTS, "machine")
    before, after = media.unpack(given, tmp_path / "before"), media.unpack(made, tmp_path / "after")
    assert {path: after[path] for path in FILES} == FILES
    changed = {path for path in before if before[path] != after.get(path)}
    menus = {path for path in changed if path.endswith(".cfg")}
    # The boot info table in a loader for BIOS tells where it lies, and the catalog where all do.
    moving = {"eltorito.img", "isolinux.bin", "boot.cat", "boot.catalog", "efiboot.img"}
    assert {Path(path).name for path in changed - menus} <= moving
    assert menus
    for menu in menus:
        assert all(argument in after[menu].decode() for argument in CONTENTS.arguments)
    assert set(after) - set(before) == set(FILES)
    assert media.iso_label(made) == media.iso_label(given)
    assert boot_records(made) == boot_records(given)
    assert made.stat().st_mode & 0o777 == 0o600


async def test_the_menu_inside_an_efi_image_is_replaced(tmp_path: Path, isos: Isos, remasters: Remasters) -> None:
    for given in (isos.fedora, isos.fedora_file):
        made = await remasters.take(given, CONTENTS, "machine")
        with image(made) as tree:
            entry = boot_entries(tree.file)[1]
            tree.file.seek(entry.sector * 2048)
            (tmp_path / "efi.img").write_bytes(tree.file.read(2880 * 1024))
        menu = media.run("mtype", "-i", tmp_path / "efi.img", "::/EFI/BOOT/grub.cfg").decode()
        assert f"--label '{media.FEDORA_LABEL}'" in menu
        assert "'ds=nocloud;s=/cdrom/nocloud/'" in menu


async def test_a_windows_medium_keeps_all_and_starts_its_silent_image(
    tmp_path: Path, isos: Isos, remasters: Remasters
) -> None:
    made = await remasters.take(isos.windows, CONTENTS, "machine")
    before, after = media.unpack(isos.windows, tmp_path / "before"), media.unpack(made, tmp_path / "after")
    assert {path: after[path] for path in before if path != "boot.catalog"} == {
        path: before[path] for path in before if path != "boot.catalog"
    }
    assert {path: after[path] for path in FILES} == FILES
    assert media.iso_label(made) == media.WINDOWS_LABEL
    with image(made) as tree:
        bios, uefi = boot_entries(tree.file)
        tree.file.seek(bios.sector * 2048)
        assert tree.file.read(4096) == before["boot/etfsboot.com"]
        assert bios.load == 8
        tree.file.seek(uefi.sector * 2048)
        assert tree.file.read(len(before[EFI_SILENT])) == before[EFI_SILENT]


async def test_the_same_contents_are_one_iso_that_stays_while_it_is_used(
    tmp_path: Path, isos: Isos, remasters: Remasters
) -> None:
    first, second = await asyncio.gather(*(remasters.take(isos.debian, CONTENTS, user) for user in ("first", "second")))
    assert first == second
    other = await remasters.take(isos.debian, Contents(FILES, ("other",)), "first")
    assert other != first
    assert len(entries(tmp_path)) == 2
    made = first.stat().st_mtime_ns
    await remasters.release("first")
    assert not other.exists()
    assert await remasters.take(isos.debian, CONTENTS, "third") == first
    assert first.stat().st_mtime_ns == made
    await remasters.release("second")
    await remasters.release("second")
    assert first.exists()
    await remasters.release("third")
    assert entries(tmp_path) == []


async def test_names_tell_nothing_of_the_contents_to_who_lacks_the_key(tmp_path: Path, isos: Isos) -> None:
    """The path of a CD-ROM is seen by every account of the host, and the contents hold passwords."""
    here = await Remasters(tmp_path / "temp", asyncio.Semaphore(1)).take(isos.debian, CONTENTS, "machine")
    there = await Remasters(tmp_path / "elsewhere", asyncio.Semaphore(1)).take(isos.debian, CONTENTS, "machine")
    assert here.parent.name != there.parent.name
    assert (tmp_path / "temp/.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "temp").stat().st_mode & 0o777 == 0o711


async def test_no_more_are_built_at_once_than_the_budget_allows(tmp_path: Path, isos: Isos) -> None:
    budget = asyncio.Semaphore(0)
    remasters = Remasters(tmp_path / "temp", budget)
    tasks = [asyncio.create_task(remasters.take(isos.debian, Contents({"a": b"%d" % n}), "machine")) for n in range(3)]
    await until(lambda: len(entries(tmp_path)) == 3, what="three that wait")
    assert list((tmp_path / "temp").glob("*/*")) == []
    budget.release()
    assert len({path async for path in _ended(tasks)}) == 3
    assert not budget.locked()


async def _ended(tasks: list[asyncio.Task[Path]]) -> AsyncIterator[Path]:
    for task in asyncio.as_completed(tasks):
        yield await task


async def test_an_iso_that_is_swapped_meanwhile_is_noticed(tmp_path: Path, isos: Isos) -> None:
    given = tmp_path / "given.iso"
    shutil.copy(isos.debian, given)
    budget = asyncio.Semaphore(0)
    task = asyncio.create_task(Remasters(tmp_path / "temp", budget).take(given, CONTENTS, "machine"))
    await until(lambda: entries(tmp_path), what="the building")
    shutil.copy(isos.ubuntu, tmp_path / "other.iso")
    (tmp_path / "other.iso").rename(given)
    budget.release()
    with pytest.raises(UnusableMedium, match="was changed while it was in use"):
        await task
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    "contents",
    [Contents({"../etc/passwd": b""}), Contents({}, ("a b",)), Contents({}, (), {"/absolute": b""})],
    ids=["path", "argument", "path in the initrd"],
)
async def test_what_no_medium_can_carry_is_refused_before_anything_is_made(
    tmp_path: Path, isos: Isos, remasters: Remasters, contents: Contents
) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        await remasters.take(isos.debian, contents, "machine")
    assert media.names(tmp_path / "temp") == []


async def test_unusable_media_are_said_and_leave_nothing(tmp_path: Path, isos: Isos, remasters: Remasters) -> None:
    given = tmp_path / "given.iso"
    for content, said in ((isos.debian.read_bytes()[: -(1024**2)], "is truncated"), (b"text", "is not an ISO")):
        given.write_bytes(content)
        with pytest.raises(UnusableMedium, match=said):
            await remasters.take(given, CONTENTS, "machine")
    seed = media.run("xorriso", "-as", "mkisofs", "-quiet", "-o", "-", ROOT / "docs")
    given.write_bytes(seed)
    with pytest.raises(UnusableMedium, match="no kernel of an installer"):
        await remasters.take(given, CONTENTS, "machine")
    assert entries(tmp_path) == []


async def test_an_iso_without_a_menu_that_is_known_is_refused(tmp_path: Path, isos: Isos, remasters: Remasters) -> None:
    given = tmp_path / "given.iso"
    drives = ("-indev", isos.ubuntu, "-outdev", given, "-rm", "/boot/grub/grub.cfg", "--")
    media.run("xorriso", "-no_rc", *drives, "-boot_image", "any", "replay", "-commit", "-end")
    with pytest.raises(UnusableMedium, match="no boot menu that is known"):
        await remasters.take(given, CONTENTS, "machine")
    assert entries(tmp_path) == []


async def test_what_else_lies_in_the_folder_stays(tmp_path: Path, isos: Isos, remasters: Remasters) -> None:
    (tmp_path / "temp/folder").mkdir(parents=True)
    (tmp_path / "temp/upload.part").write_text("half")
    await remasters.take(isos.debian, CONTENTS, "machine")
    await remasters.release("machine")
    assert entries(tmp_path) == ["folder", "upload.part"]


async def test_too_little_space_is_said_before_anything_is_written(small: Path, isos: Isos) -> None:
    remasters = Remasters(small / "temp", asyncio.Semaphore(1))
    with pytest.raises(HostFailure, match=r"has \d+ MB free, and \d+ MB are needed"):
        await remasters.take(isos.debian, CONTENTS, "machine")
    assert media.names(small / "temp") == [".key"]


async def test_a_disk_that_is_full_after_all_is_said_too(small: Path, isos: Isos) -> None:
    with pytest.raises(HostFailure, match="exceeds free space"):
        await linux_image.make(isos.debian, small / "image.iso", FILES, (), {})
    with pytest.raises(HostFailure, match="no space left"):
        await asyncio.to_thread(windows_image.make, isos.windows, small / "windows.iso", FILES)
    assert "windows.iso" not in media.names(small)


async def test_a_program_that_finds_the_disk_full_is_understood(small: Path) -> None:
    with pytest.raises(HostFailure, match="no space left"):
        await programs.build("dd", "if=/dev/zero", f"of={small / 'file'}", "bs=1M", folder=small, seconds=30)


@pytest.mark.parametrize("name", ["debian", "windows"])
async def test_a_server_killed_while_it_builds_leaves_nothing_once_the_next_one_comes(
    tmp_path: Path, isos: Isos, remasters: Remasters, name: str
) -> None:
    size = 256 * 1024**2
    if name == "debian":
        (tmp_path / "filler").touch()
        os.truncate(tmp_path / "filler", size)
        given = media.grown(isos.debian, tmp_path / "given.iso", tmp_path / "filler")
    else:
        given = media.windows_iso(tmp_path, size)
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", TAKER, tmp_path / "temp", given, cwd=ROOT)
    await until(lambda: list(tmp_path.glob("temp/.building-*/*image.iso*")), what="the image")
    server.kill()
    await server.wait()
    await until(lambda: not _writers(tmp_path / "temp"), what="the end of xorriso")
    await remasters.take(isos.ubuntu, CONTENTS, "machine")
    assert len(entries(tmp_path)) == 1


def _writers(folder: Path) -> list[str]:
    """The processes that have files below a folder open."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()).startswith(str(folder)):
                found.append(str(link))
        except OSError:
            continue  # It ended in between.
    return found

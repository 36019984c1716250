"""Remastered media boot without a key press and start the installer with the given arguments, in both firmwares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from infinibay.unattended.media import overlay
from infinibay.unattended.media.remaster import Contents, Remasters
from tests.support import media
from tests.support.boots import booted
from tests.support.guest_iso import READY_LINE

ARGUMENTS = (
    *media.GUEST_ARGUMENTS,
    "autoinstall",
    "ds=nocloud;s=/cdrom/nocloud/",
    "inst.stage2=hd:LABEL=a$b#{c}&|<*?>",
)
CONTENTS = Contents({"nocloud/user-data": b"#cloud-config\n"}, ARGUMENTS, {"preseed.cfg": b"d-i\n"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


async def remastered(folder: Path, iso: Path) -> Path:
    return await Remasters(folder / "temp", asyncio.Semaphore(1)).take(iso, CONTENTS, "machine")


@pytest.mark.parametrize(
    ("build", "firmware"),
    [
        pytest.param(media.ubuntu_iso, "bios", id="ubuntu-grub-bios"),
        pytest.param(media.ubuntu_iso, "uefi", id="ubuntu-grub-uefi"),
        pytest.param(media.debian_iso, "bios", id="debian-isolinux"),
        pytest.param(media.debian_iso, "uefi", id="debian-grub-uefi"),
        pytest.param(media.fedora_iso, "bios", id="fedora-grub-bios"),
        pytest.param(media.fedora_iso, "uefi", id="fedora-menu-in-the-partition"),
        pytest.param(partial(media.fedora_iso, appended=False), "uefi", id="fedora-menu-in-the-image"),
    ],
)
async def test_a_linux_medium_starts_its_installer(
    tmp_path: Path, folder: Path, build: Callable[[Path], Path], firmware: str
) -> None:
    iso = await remastered(folder, build(tmp_path))
    with booted(tmp_path, firmware, iso) as machine:
        machine.wait_for(READY_LINE)
        machine.type("cat /proc/cmdline /preseed.cfg; [ -e /sys/firmware/efi ] && echo by uefi; echo end of answers")
        said = machine.wait_for("\nend of answers")
    assert " ".join(ARGUMENTS) in said
    assert "\nd-i" in said
    assert ("\nby uefi" in said) == (firmware == "uefi")


async def test_windows_boots_without_a_key_from_the_overlay_and_from_a_remaster(tmp_path: Path) -> None:
    iso = media.windows_iso(tmp_path)
    with booted(tmp_path, "uefi", iso) as machine:
        machine.wait_for(media.ASKS)
    await overlay.write(tmp_path / "overlay.qcow2", iso)
    with booted(tmp_path, "uefi", tmp_path / "overlay.qcow2", "qcow2") as machine:
        machine.wait_for(media.SILENT)
    with booted(tmp_path, "uefi", await remastered(tmp_path, iso)) as machine:
        machine.wait_for(media.SILENT)

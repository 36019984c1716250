"""Remastered media boot without a key press and start the installer with the given arguments, in both firmwares."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import libvirt
import pytest

from infinibay.unattended.media import overlay, seed
from infinibay.unattended.media.iso import check_same
from infinibay.unattended.media.kernel import BootFiles, Kernels
from infinibay.unattended.media.remaster import Contents, Remasters
from tests.support import media
from tests.support.boots import BOOT_SECONDS, booted
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
        pytest.param(media.debian_iso, "uefi", id="debian-grub-uefi", marks=pytest.mark.soak),
        pytest.param(media.fedora_iso, "uefi", id="fedora-menu-in-the-partition"),
        pytest.param(
            partial(media.fedora_iso, appended=False), "uefi", id="fedora-menu-in-the-image", marks=pytest.mark.soak
        ),
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


async def test_libvirt_boots_a_kernel_and_private_initrd_with_a_seed_beside_the_untouched_iso(
    tmp_path: Path, reachable_dir: Path, libvirtd: str
) -> None:
    iso, directory, cache = reachable_dir / "given.iso", reachable_dir / "machine", reachable_dir / "cache"
    shutil.copy(media.debian_iso(tmp_path), iso)
    directory.mkdir(mode=0o711)
    files = await Kernels(cache).place(iso, directory, added={"preseed.cfg": b"d-i\n"})
    await seed.write(directory / "seed.iso", "CIDATA", {"user-data": b"#cloud-config\n"})
    with closing(libvirt.open(libvirtd)) as connection:
        domain = connection.createXML(_domain(files, directory, iso))
        try:
            with socket.socket(socket.AF_UNIX) as serial:
                serial.connect(str(directory / "serial"))
                serial.settimeout(BOOT_SECONDS)
                _read_until(serial, READY_LINE)
                serial.sendall(b"cat /preseed.cfg; ls /dev/sr*; echo end of answers\n")
                said = _read_until(serial, "\nend of answers")
        finally:
            domain.destroy()
    assert "\nd-i" in said
    check_same(iso, files.medium)
    await seed.remove(directory / "seed.iso")
    assert media.names(directory) == ["initrd", "kernel"]


def _domain(files: BootFiles, directory: Path, iso: Path) -> str:
    """A transient domain as a machine's definition will be: direct kernel boot, the ISO and the seed as CD-ROMs."""
    discs = "".join(
        f"<disk type='file' device='cdrom'><source file='{file}'/><target dev='{name}' bus='sata'/><readonly/></disk>"
        for file, name in ((iso, "sda"), (directory / "seed.iso", "sdb"))
    )
    return f"""<domain type='qemu'><name>infinibay-media-test</name><memory unit='MiB'>512</memory>
      <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{files.kernel}</kernel><initrd>{files.initrd}</initrd>
      <cmdline>{" ".join(media.GUEST_ARGUMENTS)}</cmdline></os><features><acpi/></features>
      <devices>{discs}<serial type='unix'><source mode='bind' path='{directory / "serial"}'/></serial></devices>
    </domain>"""


def _read_until(serial: socket.socket, text: str) -> str:
    said = ""
    while text not in said:
        said += serial.recv(4096).decode(errors="replace")
    return said

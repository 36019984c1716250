"""The installers of the tests take the answers that the product writes, and what they install boots.

`scripts/test` installs once for each family; the soak runs every firmware, way and fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from infinibay.services.isos.recognition import recognized
from infinibay.unattended.factory import create_unattended_manager
from infinibay.unattended.installation import Application, Firmware, Installation, Medium, Script
from infinibay.unattended.media import seed
from infinibay.unattended.media.kernel import Kernels
from infinibay.unattended.media.remaster import Contents, Remasters
from infinibay.unattended.reports import Report
from tests.support import media
from tests.support.installations import plain, ssh_key
from tests.support.installer_iso import Family, Fault, build_installer_iso
from tests.support.installing import Machine, Start

Mode = Literal["seed", "remaster"]
VERSIONS: dict[Family, str] = {"ubuntu": "24.04.1", "fedora": "41", "debian": "12.5.0"}
WAYS: list[tuple[Family, Firmware, Mode]] = [
    ("ubuntu", "efi", "seed"),
    ("fedora", "bios", "remaster"),
    ("debian", "bios", "seed"),
    ("ubuntu", "efi", "remaster"),
    ("ubuntu", "bios", "seed"),
    ("ubuntu", "bios", "remaster"),
    ("fedora", "efi", "seed"),
    ("fedora", "efi", "remaster"),
    ("fedora", "bios", "seed"),
    ("debian", "efi", "seed"),
    ("debian", "efi", "remaster"),
    ("debian", "bios", "remaster"),
]
# What each family's installer does without: an argument, or a file of its answers; and what it says then.
LACKS: list[tuple[Family, str, str]] = [
    ("ubuntu", "autoinstall", "Continue with autoinstall? (yes|no)"),
    ("ubuntu", "meta-data", "cloud-init finds no user-data and meta-data"),
    ("fedora", "inst.stage2", "There is no inst.stage2"),
    ("fedora", "ks.cfg", "Can't get kickstart from hd:LABEL=OEMDRV:/ks.cfg"),
    ("debian", "priority", "Choose the language"),
    ("debian", "preseed.cfg", "Choose the language"),
]
STARTED, INSTALLED, FAILED, FINISHED = (Report(event) for event in ("started", "installed", "failed", "finished"))
TASKS = [
    Report("task", "agent", "qemu-guest-agent", 0),
    Report("task", "packages", "packages", 0),
    Report("task", "application", "tool", 0),
    Report("task", "script", "first", 3),
    Report("task", "script", "second", 0),
]
# Ubuntu's installer has a way of its own to let keys in.
ACCESS = Report("task", "access", "ssh", 0)
REPORTS: dict[Family, list[Report]] = {
    "ubuntu": [STARTED, INSTALLED, *TASKS, FINISHED],
    "fedora": [STARTED, INSTALLED, ACCESS, *TASKS, FINISHED],
    "debian": [STARTED, INSTALLED, ACCESS, *TASKS, FINISHED],
}
KEY = ssh_key("dev@example.com")


def asked_for(family: Family, firmware: Firmware) -> Installation:
    return replace(
        plain(family),
        host_name=f"{family}-vm",
        medium=Medium(VERSIONS[family]),
        firmware=firmware,
        packages=("curl",),
        applications=(Application("tool", ('echo "it\'s \\ done: yes" >/root/tool',)),),
        scripts=(Script("first", "echo first\nexit 3\n", "sh"), Script("second", "test -s /root/tool\n", "bash")),
        ssh_keys=(KEY,),
    )


@pytest.mark.soak
@pytest.mark.parametrize(("family", "firmware", "mode"), WAYS)
async def test_answers_become_a_system_that_boots_and_finishes_itself(
    tmp_path: Path, family: Family, firmware: Firmware, mode: Mode
) -> None:
    start = await _start(tmp_path, build_installer_iso(family), asked_for(family, firmware), family, mode)
    machine = Machine(tmp_path, firmware)
    with machine.started(start) as installer:
        installer.wait_off()
        said = installer.reports()
    with machine.started(Start()) as system:
        system.wait_report(FINISHED)
        assert [*said, *system.reports()] == REPORTS[family]
        assert f"installed system {family}-vm ready" in system.serial()
        assert system.ask_agent("guest-ping") == {}
        assert system.run("cat /root/tool /home/dev/.ssh/authorized_keys") == f"it's \\ done: yes\n{KEY}\n"
        # It removes itself after its last report.
        system.wait_for("unit infinibay-setup.service ended with 0")
        assert system.run("ls /var/lib/infinibay /root /var/log/installer | grep -e setup -e ks.cfg -e user-data") == ""


@pytest.mark.soak
@pytest.mark.parametrize(("family", "lacking", "says"), LACKS)
async def test_an_installer_without_its_answers_asks(tmp_path: Path, family: Family, lacking: str, says: str) -> None:
    start = await _start(tmp_path, build_installer_iso(family), asked_for(family, "bios"), family, "seed", lacking)
    with Machine(tmp_path, "bios").started(start) as installer:
        installer.wait_for(says)
        assert installer.reports() == []


@pytest.mark.parametrize(
    ("fault", "ends", "reports"),
    [
        pytest.param("rejects", "The answers are refused", [FAILED], id="rejects"),
        pytest.param("hangs", "This installer hangs", [], id="hangs"),
        pytest.param("panics", "Kernel panic", [STARTED], id="panics"),
        pytest.param("gives-up", "Power down", [STARTED], id="gives-up"),
        pytest.param(
            "garbage", "Power down", [STARTED, Report("task", "script", "no-such-task", 0), INSTALLED], id="garbage"
        ),
        pytest.param("contradicts", "Power down", [STARTED, INSTALLED, FAILED, FINISHED], id="contradicts"),
    ],
)
@pytest.mark.soak
async def test_an_installer_fails_as_it_is_told_to(
    tmp_path: Path, fault: Fault, ends: str, reports: list[Report]
) -> None:
    iso = build_installer_iso("ubuntu", fault)
    start = await _start(tmp_path, iso, asked_for("ubuntu", "bios"), "ubuntu", "seed")
    with Machine(tmp_path, "bios").started(start) as installer:
        installer.wait_for(ends)
        assert installer.reports() == reports


@pytest.mark.parametrize("family", VERSIONS)
async def test_the_library_knows_the_medium(family: Family) -> None:
    iso = build_installer_iso(family)
    found = await recognized(iso)
    assert (found.system, found.version, found.boots, found.problem) == (
        family,
        VERSIONS[family],
        ("bios", "efi"),
        None,
    )
    assert build_installer_iso(family) == iso


async def _start(folder: Path, iso: Path, asked: Installation, family: Family, mode: Mode, lacking: str = "") -> Start:
    """What the machine starts with: the product's answers on the product's media, but for what shall lack."""
    manager = create_unattended_manager(family)
    files = {name: content for name, content in manager.files(asked).items() if name != lacking}
    arguments = [word for word in manager.kernel_arguments(media.iso_label(iso)) if word.split("=")[0] != lacking]
    if mode == "remaster":
        contents = _contents(family, files, arguments)
        remasters = Remasters(folder / "remasters", asyncio.Semaphore(1))
        return Start([await remasters.take(iso, contents, "machine")])
    machine, cdroms = folder / "machine", [iso]
    machine.mkdir()
    boot = await Kernels(folder / "kernels").place(iso, machine, {} if manager.label else files)
    if manager.label:
        await seed.write(machine / "seed.iso", manager.label, files)
        cdroms.append(machine / "seed.iso")
    return Start(cdroms, boot.kernel, boot.initrd, arguments)


def _contents(family: Family, files: Mapping[str, bytes], arguments: Sequence[str]) -> Contents:
    """The answers inside the medium: where its installer looks without a second one."""
    if family == "ubuntu":
        added = {f"nocloud/{name}": content for name, content in files.items()}
        return Contents(added, ("autoinstall", "ds=nocloud;s=/cdrom/nocloud/", "console=ttyS0"))
    inside = ("inst.ks=file:/ks.cfg" if word.startswith("inst.ks=") else word for word in arguments)
    return Contents({}, tuple(inside), files)

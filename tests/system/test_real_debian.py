"""The product's answers before Debian itself, as far as it gets without a mirror that holds all of its installer.

The soak runs them: each boots a whole Debian under emulation, which takes minutes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from infinibay.unattended.factory import create_unattended_manager
from infinibay.unattended.installation import Application, Medium, Script
from infinibay.unattended.media import initrd, seed
from infinibay.unattended.media.remaster import Contents, Remasters
from infinibay.unattended.reports import Report
from tests.support import media
from tests.support.installations import PASSWORD_HASH, plain, ssh_key
from tests.support.installing import Machine, Running, Start
from tests.support.real_debian import debian_installer, debian_system
from tests.support.wait import until_sync

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

_SECONDS = 600
# How the installer asks on a serial port, and how it complains.
_QUESTIONS = ("Prompt: '?' for help", "!! ERROR", "Press enter to continue")
_MIRROR_CHECK = "Checking the Debian archive mirror"
_KEY = ssh_key("dev@example.com")
_USER_DATA = f"""#cloud-config
hostname: web-one
# The least Debian has no locales to choose from.
locale: false
users:
- name: dev
  gecos: Dev
  lock_passwd: false
  passwd: {PASSWORD_HASH}
  shell: /bin/sh
  ssh_authorized_keys: ["{_KEY}"]
write_files:
- path: /etc/written
  content: |
    it's done
"""


def _answers() -> dict[str, bytes]:
    asked = replace(
        plain("debian"),
        host_name="web-one",
        medium=Medium("12.5.0", has_packages=False),
        firmware="bios",
        ssh_keys=(_KEY,),
        packages=("curl",),
        applications=(Application("tool", ("true",)),),
        scripts=(Script("first", "exit 3\n", "sh"),),
        mirror="http://deb.debian.org/debian",
    )
    return create_unattended_manager("debian").files(asked)


def _installer(folder: Path, files: Mapping[str, bytes]) -> Start:
    """Debian's installer with the files in its initrd, as on a machine of the product."""
    given = debian_installer()
    own = folder / "initrd"
    content = given.initrd.read_bytes()
    own.write_bytes(content + initrd.padding(len(content)) + initrd.archive(files))
    arguments = create_unattended_manager("debian").kernel_arguments("")
    return Start(kernel=given.kernel, initrd=own, arguments=arguments, network=True)


def _questions(installer: Running) -> list[str]:
    said = installer.serial().partition(_MIRROR_CHECK)[0]
    return [words for words in _QUESTIONS if words in said]


def test_debian_s_installer_asks_nothing(tmp_path: Path) -> None:
    """Up to the mirror: language, keyboard, drivers, network, name, time and account are behind it then."""
    with Machine(tmp_path, "bios").started(_installer(tmp_path, _answers())) as installer:
        until_sync(
            lambda: _MIRROR_CHECK in installer.serial() or _questions(installer), _SECONDS, "the check of the mirror"
        )
        assert _questions(installer) == []
        assert _MIRROR_CHECK in installer.serial()
        assert installer.reports() == [Report("started")]


def test_debian_s_installer_without_answers_asks(tmp_path: Path) -> None:
    """So that what the other test does not find can be found."""
    with Machine(tmp_path, "bios").started(_installer(tmp_path, {})) as installer:
        installer.wait_for(_QUESTIONS[0], _SECONDS)
        assert _MIRROR_CHECK not in installer.serial()


def _booted(folder: Path, *cdroms: Path) -> AbstractContextManager[Running]:
    system = debian_system()
    start = Start(cdroms, system.kernel, system.initrd, ("root=/dev/vda", "console=ttyS0"), network=True)
    return Machine(folder, "bios", system.disk).started(start)


async def test_debian_with_cloud_init_takes_a_seed(tmp_path: Path) -> None:
    """A CD-ROM beside its disk, as a machine made from an image has it."""
    await seed.write(
        tmp_path / "seed.iso",
        "CIDATA",
        {"user-data": _USER_DATA.encode(), "meta-data": b"instance-id: one\n"},
    )
    with _booted(tmp_path, tmp_path / "seed.iso") as guest:
        guest.wait_for("web-one login:", _SECONDS)
        assert guest.ask_agent("guest-ping") == {}
        result = until_sync(lambda: guest.run("cat /run/cloud-init/result.json"), _SECONDS, "the end of cloud-init")
        assert json.loads(result)["v1"] == {
            "datasource": "DataSourceNoCloud [seed=/dev/sr0][dsmode=net]",
            "errors": [],
        }
        assert guest.run("cat /etc/written /home/dev/.ssh/authorized_keys") == f"it's done\n{_KEY}\n"
        assert guest.run("getent shadow dev").split(":")[1] == PASSWORD_HASH


async def test_answers_for_windows_are_there_when_the_media_are_mounted(tmp_path: Path) -> None:
    """By the names that Windows reads: Joliet on the seed, UDF on an ISO that was made anew."""
    answers = create_unattended_manager("windows11").files(plain("windows11"))
    await seed.write(tmp_path / "seed.iso", "INFINIBAY", answers)
    remasters = Remasters(tmp_path / "temp", asyncio.Semaphore(1))
    made = await remasters.take(media.windows_iso(tmp_path), Contents(answers), "machine")
    wanted = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in answers.items())
    with _booted(tmp_path, tmp_path / "seed.iso", made) as guest:
        guest.wait_for(" login:", _SECONDS)
        for drive, kind in (("/dev/sr0", "-t iso9660 -o ro,norock"), ("/dev/sr1", "-t udf -o ro")):
            names = " ".join(answers)
            found = guest.run(f"mount {kind} {drive} /mnt && cd /mnt && sha256sum {names}; cd / && umount /mnt")
            assert found == wanted

"""Windows Setup finds the answers, by the order that Microsoft documents ("Windows Setup Automation Overview").

A new disk has no registry and no folders, and a machine has no drive that could be written and taken out
(`test_machine_design`). What is left are the roots of its read-only drives in the order of their letters, of which
nobody knows beforehand which drive gets which. Windows reads UDF where a medium has it, and otherwise the Joliet names.

The installer looks for `autounattend.xml`, and the setup of a system that sysprep has generalised for `unattend.xml`;
that the places on its disk which come first are emptied, `test_generalising` sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import pytest

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.unattended.factory import create_image_manager, create_unattended_manager
from infinibay.unattended.media import seed
from infinibay.unattended.media.remaster import Contents, Remasters
from tests.integration.media.conftest import Isos
from tests.support import media
from tests.support.installations import plain

SYSTEM = "windows11"


@pytest.fixture(scope="module")
def answers() -> dict[str, bytes]:
    return create_unattended_manager(SYSTEM).files(plain(SYSTEM))


@pytest.fixture(scope="module")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid out as the medium of the virtio-win project."""
    folder = tmp_path_factory.mktemp("drivers")
    for name in ("viostor/w11/amd64/viostor.inf", "NetKVM/w11/amd64/netkvm.inf", "virtio-win-guest-tools.exe"):
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "tree" / name).write_text(name)
    media.run("genisoimage", "-quiet", "-J", "-r", "-V", "virtio-win", "-o", folder / "virtio-win.iso", folder / "tree")
    return folder / "virtio-win.iso"


def root_files(names: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a root by their names in lower case: Windows knows no other difference."""
    found = {name.lower(): content for name, content in names.items() if "/" not in name}
    assert len(found) == len([name for name in names if "/" not in name])
    return found


def taken(drives: Sequence[Mapping[str, bytes]], name: str = "autounattend.xml") -> list[bytes]:
    """The answer files in the roots of the drives. Setup takes the first."""
    return [files[name] for files in map(root_files, drives) if name in files]


async def test_it_is_the_only_one_whichever_letters_the_drives_get(
    tmp_path: Path, isos: Isos, drivers: Path, answers: dict[str, bytes]
) -> None:
    await seed.write(tmp_path / "seed.iso", "INFINIBAY", answers)
    given = (isos.windows, tmp_path / "seed.iso", drivers)
    drives = [media.unpack(iso, tmp_path / str(number)) for number, iso in enumerate(given)]
    for order in permutations(drives):
        assert taken(order) == [answers["autounattend.xml"]]
    # The script of the first logon lies below the same root.
    assert drives[1]["infinibay/setup.ps1"] == answers["infinibay/setup.ps1"]


async def test_the_names_on_the_seed_are_the_whole_names(tmp_path: Path, answers: dict[str, bytes]) -> None:
    """And no short ones, as a reader of ISO 9660 alone would see them."""
    await seed.write(tmp_path / "seed.iso", "INFINIBAY", answers)
    joliet = media.run("isoinfo", "-J", "-f", "-i", tmp_path / "seed.iso").decode().split()
    assert sorted(joliet) == ["/autounattend.xml", "/infinibay", "/infinibay/plan.json", "/infinibay/setup.ps1"]
    for name, content in answers.items():
        assert media.run("isoinfo", "-J", "-x", f"/{name}", "-i", tmp_path / "seed.iso") == content


async def test_a_generalised_system_finds_its_own_and_no_installer_s(tmp_path: Path, isos: Isos, drivers: Path) -> None:
    """Whichever medium somebody puts into another drive."""
    written = create_image_manager(OPERATING_SYSTEMS[SYSTEM]).files(plain(SYSTEM))
    await seed.write(tmp_path / "seed.iso", "INFINIBAY", written)
    given = (tmp_path / "seed.iso", isos.windows, drivers)
    drives = [media.unpack(iso, tmp_path / str(number)) for number, iso in enumerate(given)]
    for order in permutations(drives):
        assert taken(order, "unattend.xml") == [written["unattend.xml"]]
        assert taken(order) == []
    assert root_files(drives[0]).keys() == {"unattend.xml"}
    for name in ("infinibay/setup.ps1", "infinibay/plan.json"):
        assert drives[0][name] == written[name]


async def test_a_remastered_medium_has_it_in_its_own_root(
    tmp_path: Path, isos: Isos, drivers: Path, answers: dict[str, bytes]
) -> None:
    remasters = Remasters(tmp_path / "temp", asyncio.Semaphore(1))
    made = await remasters.take(isos.windows, Contents(answers), "machine")
    drives = [media.unpack(iso, tmp_path / iso.stem) for iso in (made, drivers)]
    for order in permutations(drives):
        assert taken(order) == [answers["autounattend.xml"]]


async def test_a_remastered_medium_gives_up_answers_of_its_own(tmp_path: Path, answers: dict[str, bytes]) -> None:
    own = media.windows_iso(tmp_path, more={"AutoUnattend.xml": "<others/>", "Infinibay/Setup.ps1": "exit"})
    remasters = Remasters(tmp_path / "temp", asyncio.Semaphore(1))
    made = media.unpack(await remasters.take(own, Contents(answers), "machine"), tmp_path / "made")
    assert taken([made]) == [answers["autounattend.xml"]]
    assert [content for path, content in made.items() if path.lower() == "infinibay/setup.ps1"] == [
        answers["infinibay/setup.ps1"]
    ]


async def test_a_medium_with_answers_of_its_own_is_noticed_here(tmp_path: Path, answers: dict[str, bytes]) -> None:
    """So that what the other tests do not find can be found."""
    await seed.write(tmp_path / "other.iso", "OTHER", {"AutoUnattend.XML": b"<others/>"})
    other = media.unpack(tmp_path / "other.iso", tmp_path / "other")
    assert taken([other, answers]) == [b"<others/>", answers["autounattend.xml"]]

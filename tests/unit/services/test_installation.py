"""The product as a service: what is told to systemd, and what is refused before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infinibay.errors import HostFailure, InfinibayError
from infinibay.host.systemd import Systemd
from infinibay.services.installation import UNIT, Checkout, Installation, unit_text
from infinibay.settings import Settings
from tests.support.databases import settings_below

RECORDER = '#!/bin/sh\necho "$*" >> "{log}"\n[ "$1" != "{refused}" ] || {{ echo "it is refused" >&2; exit 1; }}\n'


class Machine:
    """A machine that systemd runs, as far as its program tells: every call is written down, one may be refused."""

    def __init__(self, folder: Path, refused: str = "") -> None:
        self._log = folder / "calls"
        program = folder / "systemctl"
        program.write_text(RECORDER.format(log=self._log, refused=refused))
        program.chmod(0o755)
        self.systemd = Systemd(folder, runs=True, program=str(program))
        self.settings = settings_below(folder / "base")
        self.checkout = Checkout(Path("/srv/infinibay"), Path("/srv/infinibay/.venv/bin/python"))

    def installation(self, settings: Settings | None = None, *, is_root: bool = True) -> Installation:
        return Installation(settings or self.settings, self.checkout, self.systemd, is_root=is_root)

    def calls(self) -> list[str]:
        """Those since the last look."""
        told = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return told


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_a_service_is_installed_and_started(machine: Machine) -> None:
    said = await machine.installation().install(machine.settings)
    assert machine.calls() == ["daemon-reload", f"enable {UNIT}", f"restart {UNIT}"]
    assert said[0] == "infinibay.service is installed: it runs, and starts with the machine."
    assert str(machine.settings.first_admin_file) in said[-1]
    assert machine.systemd.unit_file(UNIT).stat().st_mode & 0o777 == 0o644


async def test_a_second_time_changes_nothing_and_does_not_restart_it(machine: Machine) -> None:
    await machine.installation().install(machine.settings)
    before = machine.systemd.unit_file(UNIT).read_text()
    machine.calls()
    said = await machine.installation().install(machine.settings)
    assert machine.calls() == ["daemon-reload", f"enable {UNIT}", f"start {UNIT}"]
    assert said[0].startswith("infinibay.service is as it should be")
    assert machine.systemd.unit_file(UNIT).read_text() == before


async def test_a_checkout_that_moved_is_restarted_from_its_new_place(machine: Machine) -> None:
    await machine.installation().install(machine.settings)
    machine.calls()
    machine.checkout = Checkout(Path("/opt/new"), Path("/opt/new/.venv/bin/python"))
    await machine.installation().install(machine.settings)
    assert machine.calls()[-1] == f"restart {UNIT}"
    assert "\nWorkingDirectory=/opt/new\n" in machine.systemd.unit_file(UNIT).read_text()


async def test_what_is_removed_and_what_is_kept(machine: Machine) -> None:
    base = machine.settings.infinibay_base_dir
    base.mkdir()
    (base / "disk").write_text("kept")
    await machine.installation().install(machine.settings)
    machine.calls()

    said = await machine.installation().uninstall()

    assert machine.calls() == [f"disable --now {UNIT}", "daemon-reload"]
    assert not machine.systemd.unit_file(UNIT).exists()
    assert (base / "disk").read_text() == "kept"
    assert said[1:] == [
        f"Kept: {base} with machines, database and keys.",
        f"Once every machine is destroyed, this removes what is left: rm -rf {base}",
    ]
    assert await machine.installation().uninstall() == ["There is no infinibay.service; nothing was changed."]
    assert machine.calls() == []


async def test_settings_that_a_service_would_not_see_are_refused(machine: Machine) -> None:
    given = replace(machine.settings, port=4001, tokenkey="planted-secret-of-a-key")
    with pytest.raises(InfinibayError) as refused:
        await machine.installation(given).install(machine.settings)
    assert refused.value.message == "The environment sets what a service would not see: PORT, TOKENKEY."
    assert "planted" not in f"{refused.value.message}{refused.value.remedy}"
    assert (machine.calls(), machine.systemd.unit_file(UNIT).exists()) == ([], False)


async def test_only_root_changes_the_services(machine: Machine) -> None:
    with pytest.raises(InfinibayError, match="root's") as refused:
        await machine.installation(is_root=False).install(machine.settings)
    assert refused.value.remedy == "sudo scripts/infinibay install"
    await machine.installation().install(machine.settings)
    machine.calls()
    with pytest.raises(InfinibayError, match="root's"):
        await machine.installation(is_root=False).uninstall()
    assert machine.calls() == []
    assert machine.systemd.unit_file(UNIT).exists()


async def test_a_machine_without_systemd(machine: Machine) -> None:
    machine.systemd.runs = False
    with pytest.raises(InfinibayError, match="systemd does not run this machine") as refused:
        await machine.installation().install(machine.settings)
    assert "/srv/infinibay/.venv/bin/python -m infinibay serve" in (refused.value.remedy or "")
    assert not machine.systemd.unit_file(UNIT).exists()


@pytest.mark.parametrize("call", ["daemon-reload", "enable", "restart"])
async def test_what_systemd_refuses_is_told(tmp_path: Path, call: str) -> None:
    machine = Machine(tmp_path, refused=call)
    with pytest.raises(HostFailure, match=f"{call}.* failed: it is refused"):
        await machine.installation().install(machine.settings)


async def test_a_service_that_does_not_stop_is_not_removed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, refused="disable")
    await machine.installation().install(machine.settings)
    with pytest.raises(HostFailure, match="it is refused"):
        await machine.installation().uninstall()
    assert machine.systemd.unit_file(UNIT).exists()


def test_paths_as_systemd_reads_them() -> None:
    folder = Path('/srv/50% of "it"/$HOME')
    lines = unit_text(Checkout(folder, folder / "python")).splitlines()
    assert 'WorkingDirectory=/srv/50%% of "it"/$HOME' in lines
    assert r'ExecStart="/srv/50%% of \"it\"/$HOME/python" -m infinibay serve' in lines

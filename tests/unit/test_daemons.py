"""What the commands start beside themselves: with programs that note how they are called, and fail when told to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts import daemons
from scripts.daemons import running_daemons, running_network

URI = "qemu:///system"
# A failing call names its file in the folder, in which the calls are noted.
_PROGRAM = """#!/bin/sh
call="${0##*/} $*"
call="${call#virsh -c qemu:///system -q }"
echo "$call" >> FOLDER/calls
if [ -e "FOLDER/fails $call" ]; then echo "error: refused." >&2; exit 1; fi
case $call in
    "net-list --inactive --name") cat FOLDER/inactive ;;
    "list --name") cat FOLDER/guests ;;
esac
"""


class Host:
    """A host that systemd runs, without daemons, and with the network `default` off."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.says("inactive", "another\ndefault\n\n")
        self.says("guests", "\n")
        self.has("systemctl")
        self.has("virsh")

    def has(self, program: str) -> None:
        file = self._folder / "bin" / program
        file.parent.mkdir(exist_ok=True)
        file.write_text(_PROGRAM.replace("FOLDER", str(self._folder)))
        file.chmod(0o755)

    def says(self, what: str, text: str) -> None:
        (self._folder / what).write_text(text)

    def fails(self, call: str) -> None:
        (self._folder / f"fails {call}").touch()

    def lacks(self, program: str) -> None:
        (self._folder / "bin" / program).unlink()

    def calls(self) -> list[str]:
        """Those since the last time."""
        file = self._folder / "calls"
        found = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    # The pid files of this machine's own daemons lie in the real one.
    monkeypatch.setattr(daemons, "_RUN", tmp_path)
    monkeypatch.setattr(daemons, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(daemons, "_VIRTLOGD", daemons._Daemon("virtlogd", tmp_path / "nobody"))
    monkeypatch.setattr(daemons, "_LIBVIRTD", daemons._Daemon("libvirtd", tmp_path / "nobody"))
    return made


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch, host: Host) -> Host:
    """The same with its daemons up."""
    monkeypatch.setattr(daemons._Daemon, "answers", lambda _self: True)
    return host


def test_daemons_that_were_down_run_for_the_block(host: Host) -> None:
    with running_daemons(URI):
        assert host.calls() == ["systemctl start virtlogd", "systemctl start libvirtd"]
    assert host.calls() == ["list --name", "systemctl stop libvirtd", "systemctl stop virtlogd"]


def test_without_libvirtd_the_block_runs_and_the_log_daemon_is_stopped(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.fails("systemctl start libvirtd")
    host.fails("list --name")
    with running_daemons(URI):
        (told,) = [line for line in capsys.readouterr().err.splitlines() if "libvirtd" in line]
        assert host.calls() == ["systemctl start virtlogd", "systemctl start libvirtd"]
    assert host.calls() == ["list --name", "systemctl stop virtlogd"]
    assert told.startswith("libvirtd can't be started (Command ")
    assert told.endswith("returned non-zero exit status 1). Look at: journalctl -u libvirtd -n 50")


def test_a_daemon_that_is_not_installed_is_named(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(daemons, "_SYSTEMD", tmp_path / "none")
    monkeypatch.setattr(daemons, "_KVM", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    host.has("virtlogd")
    with running_daemons(URI):
        pass
    assert capsys.readouterr().err.splitlines() == [
        "libvirtd can't be started ([Errno 2] No such file or directory: 'libvirtd'). Look at: scripts/infinibay doctor"
    ]


def test_a_daemon_that_can_t_be_stopped_keeps_no_other_from_it(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.fails("systemctl stop libvirtd")
    with running_daemons(URI):
        pass
    assert host.calls()[-1] == "systemctl stop virtlogd"
    assert "libvirtd can't be stopped" in capsys.readouterr().err


def test_the_log_daemon_stays_for_machines_that_run(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.says("guests", "one\nwith a space\n\n")
    with running_daemons(URI):
        pass
    assert host.calls()[-1] == "systemctl stop libvirtd"
    assert capsys.readouterr().err == "2 machines go on running: one, with a space\n"


def test_a_network_that_was_off_is_on_for_the_block(answering: Host, capsys: pytest.CaptureFixture[str]) -> None:
    with running_network(URI, "default"):
        assert answering.calls() == ["net-list --inactive --name", "net-start --network=default"]
    assert answering.calls() == ["list --name", "net-destroy --network=default"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["active", "br0", "defaul"])
def test_another_network_is_left_alone(answering: Host, name: str) -> None:
    with running_network(URI, name):
        pass
    assert answering.calls() == ["net-list --inactive --name"]


@pytest.mark.parametrize("guests", ["one\n\n", None])
def test_the_network_stays_for_machines_that_may_run(answering: Host, guests: str | None) -> None:
    if guests is None:
        answering.fails("list --name")
    else:
        answering.says("guests", guests)
    with running_network(URI, "default"):
        pass
    assert answering.calls()[-1] == "list --name"


def test_a_network_that_can_t_be_started_is_told_and_left_alone(
    answering: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    answering.fails("net-start --network=default")
    with running_network(URI, "default"):
        assert capsys.readouterr().err == (
            "The network default can't be started (error: refused). The start of the first machine tries it again\n"
        )
    assert answering.calls()[-1] == "net-start --network=default"


def test_a_host_without_virsh_serves(
    answering: Host, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering.lacks("virsh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with running_network(URI, "default"):
        assert "No such file or directory: 'virsh'" in capsys.readouterr().err


def test_a_network_of_another_host_is_left_alone(answering: Host) -> None:
    with running_network("qemu+ssh://elsewhere/system", "default"):
        pass
    assert answering.calls() == []


def test_nobody_is_asked_for_a_network_while_libvirt_is_down(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    with running_network(URI, "default"):
        pass
    assert (host.calls(), capsys.readouterr().err) == ([], "")

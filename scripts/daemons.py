"""The local hypervisor's daemons and network: started for as long as they are needed, if they do not run already."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_RUN = Path("/run")
_SYSTEMD = _RUN / "systemd" / "system"
_STOP_SECONDS = 20
_VIRSH_SECONDS = 20
_KVM = Path("/dev/kvm")
# LookupError: there is no such group.
_FAILURES = (OSError, subprocess.SubprocessError, LookupError)


@dataclass(frozen=True)
class _Daemon:
    name: str
    socket: Path

    def answers(self) -> bool:
        """Whether somebody listens; a refusal for lack of rights is an answer too."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket))
            except PermissionError:
                return True
            except OSError:
                return False
        return True

    def start(self) -> None:
        command = ["systemctl", "start", self.name] if _SYSTEMD.is_dir() else [self.name, "-d"]
        subprocess.run(command, check=True)

    def stop(self) -> None:
        if _SYSTEMD.is_dir():
            subprocess.run(["systemctl", "stop", self.name], check=True)
            return
        process = self._process()
        if process is None:
            return
        os.kill(process, 15)
        deadline = time.monotonic() + _STOP_SECONDS
        while self._process() == process and time.monotonic() < deadline:
            time.sleep(0.05)

    def _process(self) -> int | None:
        """The daemon's process id, if its pid file names a living process of this name."""
        try:
            process = int((_RUN / f"{self.name}.pid").read_text())
            alive = Path(f"/proc/{process}/comm").read_text().strip() == self.name
        except (FileNotFoundError, ValueError):
            return None
        return process if alive else None


_VIRTLOGD = _Daemon("virtlogd", _RUN / "libvirt" / "virtlogd-sock")
_LIBVIRTD = _Daemon("libvirtd", _RUN / "libvirt" / "libvirt-sock")


@contextmanager
def running_daemons(libvirt_uri: str) -> Iterator[None]:
    """Runs the block with libvirt's daemons up, as far as they can be started; those that were down before are stopped
    afterwards.

    Machines that run then go on running; the log daemon stays for them, since they write through it.
    """
    started: list[_Daemon] = []
    try:
        if _is_local(libvirt_uri):
            _start_missing(started)
        yield
    finally:
        guests = _running_guests(libvirt_uri) if started else []
        if _LIBVIRTD in started:
            _attempt("libvirtd can't be stopped", _LIBVIRTD.stop, _where_to_look("libvirtd"))
        if guests:
            _say(f"{len(guests)} machines go on running: {', '.join(guests)}")
        elif _VIRTLOGD in started:
            _attempt("virtlogd can't be stopped", _VIRTLOGD.stop, _where_to_look("virtlogd"))


@contextmanager
def running_network(libvirt_uri: str, name: str) -> Iterator[None]:
    """Runs the block with a network that libvirt has; one that was not active is stopped afterwards, unless machines
    run, which may need it."""
    started = _is_local(libvirt_uri) and _LIBVIRTD.answers() and _start_network(libvirt_uri, name)
    try:
        yield
    finally:
        if started and _running_guests(libvirt_uri) == []:
            _attempt(
                f"The network {name} can't be stopped",
                lambda: _virsh(libvirt_uri, "net-destroy", f"--network={name}"),
                "Look at: scripts/infinibay doctor",
            )


def _is_local(libvirt_uri: str) -> bool:
    return libvirt_uri.startswith("qemu:///")


def _start_missing(started: list[_Daemon]) -> None:
    """Starts what does not answer and adds it to `started`."""
    missing = [daemon for daemon in (_VIRTLOGD, _LIBVIRTD) if not daemon.answers()]
    if missing and os.geteuid() != 0:
        names = " ".join(daemon.name for daemon in missing)
        _say(f"Not running: {names}. Start them with: sudo systemctl start {names}")
        return
    _attempt("/dev/kvm can't be opened to its group", _let_guests_reach_kvm, "Look at: scripts/infinibay doctor")
    started.extend(
        daemon
        for daemon in missing
        if _attempt(f"{daemon.name} can't be started", daemon.start, _where_to_look(daemon.name))
    )


def _let_guests_reach_kvm() -> None:
    """Gives the device the group that udev gives it; without udev it is root's alone, and libvirt is slow to say so."""
    if not _SYSTEMD.is_dir() and _KVM.is_char_device() and _KVM.stat().st_gid == 0:
        shutil.chown(_KVM, group="kvm")
        _KVM.chmod(0o660)


def _start_network(libvirt_uri: str, name: str) -> bool:
    """Whether it was started; one that is active, or that libvirt does not have, is left alone."""
    try:
        if name not in _virsh(libvirt_uri, "net-list", "--inactive", "--name"):
            return False
        _virsh(libvirt_uri, "net-start", f"--network={name}")
    except _FAILURES as error:
        _tell(f"The network {name} can't be started", error, "The start of the first machine tries it again")
        return False
    return True


def _running_guests(libvirt_uri: str) -> list[str] | None:
    """None when it is not known."""
    try:
        return _virsh(libvirt_uri, "list", "--name")
    except _FAILURES:
        return None


def _virsh(libvirt_uri: str, *arguments: str) -> list[str]:
    """The lines that it prints. Raises one of _FAILURES."""
    done = subprocess.run(
        ["virsh", "-c", libvirt_uri, "-q", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=_VIRSH_SECONDS,
        # A terminal would let it ask for a password, and end it with Ctrl-C.
        start_new_session=True,
    )
    return [line for line in done.stdout.splitlines() if line]


def _attempt(failure: str, action: Callable[[], object], advice: str) -> bool:
    """Whether it succeeded; a failure is told in one line, as the server can do without."""
    try:
        action()
    except _FAILURES as error:
        _tell(failure, error, advice)
        return False
    return True


def _tell(failure: str, error: Exception, advice: str) -> None:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else None
    reason = (said or str(error)).strip().splitlines()[-1].rstrip(".")
    _say(f"{failure} ({reason}). {advice}")


def _where_to_look(daemon: str) -> str:
    return f"Look at: {f'journalctl -u {daemon} -n 50' if _SYSTEMD.is_dir() else 'scripts/infinibay doctor'}"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")

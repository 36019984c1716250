"""The daemons of the local hypervisor: started for as long as they are needed, if they do not run already."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_RUN = Path("/run")
_SYSTEMD = _RUN / "systemd" / "system"
_STOP_SECONDS = 20
_KVM = Path("/dev/kvm")


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
    """Runs the block with libvirt's daemons up; those that were down before are stopped afterwards.

    Machines that run then go on running; the log daemon stays for them, since they write through it.
    """
    started = _start_missing() if libvirt_uri.startswith("qemu:///") else []
    try:
        yield
    finally:
        guests = _running_guests() if started else []
        if _LIBVIRTD in started:
            _LIBVIRTD.stop()
        if guests:
            _say(f"{len(guests)} machines go on running: {', '.join(guests)}")
        elif _VIRTLOGD in started:
            _VIRTLOGD.stop()


def _start_missing() -> list[_Daemon]:
    missing = [daemon for daemon in (_VIRTLOGD, _LIBVIRTD) if not daemon.answers()]
    if missing and os.geteuid() != 0:
        names = " ".join(daemon.name for daemon in missing)
        _say(f"Not running: {names}. Start them with: sudo systemctl start {names}")
        return []
    _let_guests_reach_kvm()
    for daemon in missing:
        daemon.start()
    return missing


def _let_guests_reach_kvm() -> None:
    """Gives the device the group that udev gives it; without udev it is root's alone, and libvirt is slow to say so."""
    if not _SYSTEMD.is_dir() and _KVM.is_char_device() and _KVM.stat().st_gid == 0:
        shutil.chown(_KVM, group="kvm")
        _KVM.chmod(0o660)


def _running_guests() -> list[str]:
    listed = subprocess.run(["virsh", "-q", "list", "--name"], capture_output=True, text=True, check=False)
    return listed.stdout.split()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")

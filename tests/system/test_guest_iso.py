"""The test guest itself: boots in both firmwares from the CD-ROM, answers its agent, obeys button and agent."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.guest_iso import READY_LINE, build_guest_iso
from tests.support.wait import until_sync

_OVMF = Path("/usr/share/OVMF")
_BOOT_SECONDS = 150
_MACHINE = ("-machine", "q35,accel=tcg", "-cpu", "max", "-m", "1024", "-nodefaults", "-display", "none", "-vga", "std")


class _Line:
    """One JSON document a line over a Unix socket, as QMP and the guest agent speak."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rw")

    def read(self) -> Any:
        return json.loads(self._lines.readline())

    def send(self, execute: str, **arguments: object) -> None:
        self._lines.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
        self._lines.flush()

    def call(self, execute: str, **arguments: object) -> Any:
        """The answer to one command; events that come before it are passed over."""
        self.send(execute, **arguments)
        while "event" in (answer := self.read()):
            pass
        return answer

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


class _Guest:
    """A running guest with its serial log, monitor and agent."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self._serial = folder / "serial.log"
        until_sync((folder / "agent").exists, what="QEMU's agent socket")
        self.monitor = _Line(folder / "monitor")
        assert "QMP" in self.monitor.read()
        assert self.monitor.call("qmp_capabilities") == {"return": {}}
        self.agent = _Line(folder / "agent")

    def ready_lines(self) -> int:
        return self._serial.read_text(errors="replace").count(READY_LINE)

    def wait_ready(self, times: int = 1) -> None:
        until_sync(lambda: self.ready_lines() == times, _BOOT_SECONDS, f"ready line number {times}")


@contextmanager
def _booted(folder: Path, firmware: str) -> Iterator[_Guest]:
    drives = ["-drive", f"file={build_guest_iso()},media=cdrom,format=raw,readonly=on"]
    if firmware == "uefi":
        shutil.copy(_OVMF / "OVMF_VARS_4M.fd", folder / "vars.fd")
        code = _OVMF / "OVMF_CODE_4M.fd"
        drives += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
        drives += ["-drive", f"if=pflash,format=raw,file={folder / 'vars.fd'}"]
    agent = ("-device", "virtio-serial-pci", "-chardev", f"socket,id=a,path={folder / 'agent'},server=on,wait=off")
    port = ("-device", "virtserialport,chardev=a,name=org.qemu.guest_agent.0")
    monitor = ("-qmp", f"unix:{folder / 'monitor'},server=on,wait=off", "-serial", f"file:{folder / 'serial.log'}")
    process = subprocess.Popen(["qemu-system-x86_64", *_MACHINE, *drives, *monitor, *agent, *port])
    guest: _Guest | None = None
    try:
        guest = _Guest(process, folder)
        guest.wait_ready()
        yield guest
    finally:
        process.kill()
        process.wait()
        if guest is not None:
            guest.monitor.close()
            guest.agent.close()


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_boots_answers_its_agent_and_obeys_the_power_button(tmp_path: Path, firmware: str) -> None:
    with _booted(tmp_path, firmware) as guest:
        assert guest.agent.call("guest-ping") == {"return": {}}
        assert guest.monitor.call("system_powerdown") == {"return": {}}
        assert guest.process.wait(timeout=60) == 0


def test_agent_reboots_and_shuts_down(tmp_path: Path) -> None:
    with _booted(tmp_path, "bios") as guest:
        assert guest.agent.call("guest-ping") == {"return": {}}
        # The agent does not answer these two: the guest is gone before it could.
        guest.agent.send("guest-shutdown", mode="reboot")
        guest.wait_ready(times=2)
        assert guest.agent.call("guest-ping") == {"return": {}}
        guest.agent.send("guest-shutdown", mode="powerdown")
        assert guest.process.wait(timeout=60) == 0


def test_second_build_is_the_cached_file() -> None:
    first = build_guest_iso()
    made = first.stat().st_mtime_ns
    assert build_guest_iso() == first
    assert first.stat().st_mtime_ns == made

"""QEMU alone, without libvirt: a machine that installs itself from a medium and then boots what it has installed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infinibay.unattended.installation import REPORT_PORT, Firmware
from infinibay.unattended.reports import Report, read_report
from tests.support.agent import guest_output
from tests.support.media import run
from tests.support.wait import until_sync

STEP_SECONDS = 120

_OVMF = Path("/usr/share/OVMF")
_MACHINE = ("-machine", "q35,accel=tcg", "-cpu", "max", "-m", "1024", "-nodefaults", "-display", "none", "-vga", "std")
_AGENT_PORT = "org.qemu.guest_agent.0"


@dataclass(frozen=True)
class Start:
    """What a machine starts: its CD-ROMs and, for direct kernel boot, the files and arguments. `network` leads out."""

    cdroms: Sequence[Path] = ()
    kernel: Path | None = None
    initrd: Path | None = None
    arguments: Sequence[str] = ()
    network: bool = False


@dataclass
class Running:
    """A running machine. The host listens to its report port from the start."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: socket.socket
    _said: bytearray = field(default_factory=bytearray)

    def serial(self) -> str:
        """All that came out of the serial port."""
        return (self.folder / "serial.log").read_text(errors="replace")

    def reports(self) -> list[Report]:
        """The reports so far, each once, in the order in which they first came."""
        try:
            while chunk := self.port.recv(65536):
                self._said += chunk
        except BlockingIOError:
            pass
        lines = bytes(self._said).split(b"\n")[:-1]
        return list(dict.fromkeys(report for line in lines if (report := read_report(line)) is not None))

    def wait_for(self, text: str, seconds: float = STEP_SECONDS) -> None:
        """Waits until the text came out of the serial port. TimeoutError."""
        until_sync(lambda: text in self.serial(), seconds, f"{text!r} on the serial port")

    def wait_report(self, report: Report) -> None:
        """Waits until the guest has reported this. TimeoutError."""
        until_sync(lambda: report in self.reports(), STEP_SECONDS, f"{report}")

    def wait_off(self) -> None:
        """Waits until the guest has powered itself off. TimeoutError."""
        until_sync(lambda: self.process.poll() is not None, STEP_SECONDS, "power off")

    def ask_agent(self, execute: str, **arguments: object) -> Any:
        """What the guest agent returns."""
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(STEP_SECONDS)
            agent.connect(str(self.folder / "agent"))
            agent.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
            return json.loads(agent.makefile().readline())["return"]

    def run(self, command: str) -> str:
        """What a command of the guest's shell prints."""
        return guest_output(self.ask_agent, command, STEP_SECONDS)


class Machine:
    """A machine with a disk in a folder of its own: an empty one, or one above an image."""

    def __init__(self, folder: Path, firmware: Firmware, image: Path | None = None) -> None:
        self._folder = folder
        self._disk = folder / "disk.qcow2"
        content = ("-F", "raw", "-b", image, self._disk) if image else (self._disk, "1G")
        run("qemu-img", "create", "-q", "-f", "qcow2", *content)
        self._flash: list[str] = []
        if firmware == "efi":
            shutil.copy(_OVMF / "OVMF_VARS_4M.fd", folder / "vars.fd")
            code = f"if=pflash,format=raw,readonly=on,file={_OVMF / 'OVMF_CODE_4M.fd'}"
            self._flash = ["-drive", code, "-drive", f"if=pflash,format=raw,file={folder / 'vars.fd'}"]

    @contextmanager
    def started(self, start: Start) -> Iterator[Running]:
        """Runs until the guest powers itself off or the block ends; the disk comes before the CD-ROMs."""
        log = self._folder / "serial.log"
        log.unlink(missing_ok=True)
        process = subprocess.Popen(
            ["qemu-system-x86_64", *_MACHINE, *self._flash, *self._devices(start), *_boot(start)]
        )
        try:
            with socket.socket(socket.AF_UNIX) as port:
                until_sync(lambda: _connected(port, self._folder / "port"), what="QEMU's socket")
                until_sync(log.exists, what="QEMU's serial port")
                port.setblocking(False)
                yield Running(process, self._folder, port)
        finally:
            process.kill()
            process.wait()

    def _devices(self, start: Start) -> list[str]:
        devices = ["-drive", f"if=none,id=disk,file={self._disk},format=qcow2,discard=unmap"]
        devices += ["-device", "virtio-blk-pci,drive=disk,bootindex=1", "-device", "virtio-serial-pci", "-no-reboot"]
        for number, cdrom in enumerate(start.cdroms):
            devices += ["-drive", f"if=none,id=cd{number},media=cdrom,format=raw,readonly=on,file={cdrom}"]
            devices += ["-device", f"ide-cd,drive=cd{number},bus=ide.{number},bootindex={number + 2}"]
        for name, path in ((REPORT_PORT, "port"), (_AGENT_PORT, "agent")):
            devices += ["-chardev", f"socket,id={path},path={self._folder / path},server=on,wait=off"]
            devices += ["-device", f"virtserialport,chardev={path},name={name}"]
        if start.network:
            devices += ["-nic", "user,model=virtio-net-pci"]
        devices += ["-device", "pvpanic", "-serial", f"file:{self._folder / 'serial.log'}", "-monitor", "none"]
        return devices


def _boot(start: Start) -> list[str]:
    if start.kernel is None:
        return []
    return ["-kernel", str(start.kernel), "-initrd", str(start.initrd), "-append", " ".join(start.arguments)]


def _connected(port: socket.socket, path: Path) -> bool:
    try:
        port.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True

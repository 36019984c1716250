"""QEMU alone, without libvirt: whether a medium boots, told by what comes out of the serial port."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.wait import until_sync

BOOT_SECONDS = 150

_OVMF = Path("/usr/share/OVMF")
_MACHINE = ("-machine", "q35,accel=tcg", "-cpu", "max", "-m", "1024", "-nodefaults", "-display", "none", "-vga", "std")


class Booted:
    """A running machine; its serial port is our terminal."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def said(self) -> str:
        """All that came out of the serial port."""
        return self._log.read_text(errors="replace")

    def type(self, line: str) -> None:
        """Types a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def wait_for(self, text: str) -> str:
        """Waits until the text came out, and gives all. TimeoutError."""
        until_sync(lambda: text in self.said(), BOOT_SECONDS, f"{text!r} on the serial port")
        return self.said()


@contextmanager
def booted(
    folder: Path, firmware: str, cdrom: Path, form: str = "raw", others: Sequence[Path] = ()
) -> Iterator[Booted]:
    """A machine that boots the CD-ROM, with further CD-ROMs, in `bios` or `uefi`; ended with the block."""
    drives = ["-drive", f"file={cdrom},media=cdrom,format={form},readonly=on"]
    for other in others:
        drives += ["-drive", f"file={other},media=cdrom,format=raw,readonly=on"]
    if firmware == "uefi":
        shutil.copy(_OVMF / "OVMF_VARS_4M.fd", folder / "vars.fd")
        drives += ["-drive", f"if=pflash,format=raw,readonly=on,file={_OVMF / 'OVMF_CODE_4M.fd'}"]
        drives += ["-drive", f"if=pflash,format=raw,file={folder / 'vars.fd'}"]
    log = folder / "serial.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["qemu-system-x86_64", *_MACHINE, *drives, "-serial", "stdio", "-monitor", "none"],
            stdin=subprocess.PIPE,
            stdout=output,
        )
    try:
        yield Booted(process, log)
    finally:
        process.kill()
        process.communicate()

"""The flight recorder of installations: the last screens, and what the serial port and the installer's log say."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infinibay.errors import HypervisorError
from infinibay.log import get_logger
from infinibay.services.machines.design import INSTALLER_LOG, machine_directory
from infinibay.unattended.media import disk
from infinibay.virt.api import Hypervisor

log = get_logger(__name__)

_FOLDER = "report"
_SCREENS = 5
_SERIAL_LOG = "serial.log"
_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Screen:
    """A picture of the screen as PNG, and when it was taken."""

    at: datetime
    png: bytes


@dataclass(frozen=True)
class Recording:
    """The oldest screen first; of each log its end."""

    screens: tuple[Screen, ...]
    serial: str
    installer_log: str


class FlightRecorder:
    """Keeps what it records in the machine's own directory, and there no longer than the machine."""

    def __init__(self, hypervisor: Hypervisor, machines_dir: Path) -> None:
        self._hypervisor = hypervisor
        self._machines_dir = machines_dir

    async def picture(self, machine_id: str) -> None:
        """Takes a picture of the screen, if there is one to take."""
        try:
            png = await self._hypervisor.guests.screenshot(machine_id)
        except HypervisorError as error:
            log.info("installation.no_picture", machine_id=machine_id, reason=error.message)
            return
        await asyncio.to_thread(_keep, self._directory(machine_id) / _FOLDER, png)

    async def read(self, machine_id: str) -> Recording:
        """What there is; nothing is an empty text."""
        return await asyncio.to_thread(_read, self._directory(machine_id))

    def _directory(self, machine_id: str) -> Path:
        return machine_directory(self._machines_dir, machine_id)


def _keep(folder: Path, png: bytes) -> None:
    if not folder.parent.is_dir():
        return  # The machine was removed meanwhile.
    folder.mkdir(mode=0o700, exist_ok=True)
    disk.write_whole(folder / f"{time.time_ns() // 1_000_000}.png", png)
    for old in _screens(folder)[:-_SCREENS]:
        old.unlink(missing_ok=True)


def _read(directory: Path) -> Recording:
    screens = (
        Screen(datetime.fromtimestamp(int(file.stem) / 1000, UTC), file.read_bytes())
        for file in _screens(directory / _FOLDER)
    )
    return Recording(tuple(screens), _tail(directory / _SERIAL_LOG), _tail(directory / INSTALLER_LOG))


def _screens(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.png") if file.stem.isdigit())


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - _TAIL_BYTES))
            text = opened.read(_TAIL_BYTES)
    except FileNotFoundError:
        return ""
    return text.decode("utf-8", "replace").replace("\0", "")

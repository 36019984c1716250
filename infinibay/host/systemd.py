"""systemd's units: written whole, enabled, started and removed through its own program."""

from __future__ import annotations

import os
from pathlib import Path

from infinibay.errors import HostFailure
from infinibay.host import process

_SECONDS = 120.0


class Systemd:
    """The systemd of this machine, or the one that will run the system below another `root`, which is only prepared."""

    def __init__(self, root: Path = Path("/"), *, runs: bool, program: str = "systemctl") -> None:
        """`runs` says whether systemd runs the system, so that units can be started."""
        self._root = root
        self._program = program
        self.runs = runs

    def unit_file(self, name: str) -> Path:
        return self._root / "etc/systemd/system" / name

    def write(self, name: str, text: str) -> bool:
        """Whether the unit is new or changed; it is never there in part. Raises HostFailure."""
        file = self.unit_file(name)
        try:
            if file.exists() and file.read_text(encoding="utf-8") == text:
                return False
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.with_name(f".{name}-{os.getpid()}")
            new.write_text(text, encoding="utf-8")
            new.chmod(0o644)
            new.replace(file)
        except OSError as error:
            raise HostFailure(f"The unit can't be written: {error}") from error
        return True

    async def enable(self, name: str, *, restart: bool) -> None:
        """Starts the unit with the machine and, where systemd runs, now. Raises HostFailure."""
        if not self.runs:
            await self._call(f"--root={self._root}", "enable", name)
            return
        await self._call("daemon-reload")
        await self._call("enable", name)
        await self._call("restart" if restart else "start", name)

    async def remove(self, name: str) -> None:
        """Stops the unit and takes it away. Raises HostFailure."""
        if self.runs:
            await self._call("disable", "--now", name)
        else:
            await self._call(f"--root={self._root}", "disable", name)
        try:
            self.unit_file(name).unlink(missing_ok=True)
        except OSError as error:
            raise HostFailure(f"The unit can't be removed: {error}") from error
        if self.runs:
            await self._call("daemon-reload")

    async def _call(self, *arguments: str) -> None:
        ended = await process.run([self._program, *arguments], seconds=_SECONDS)
        if ended.timed_out:
            raise HostFailure(f"{self._program} {arguments[0]} did not end within {_SECONDS:g} s.")
        if ended.code != 0:
            said = ended.stderr.strip() or f"exit status {ended.code}"
            raise HostFailure(f"{self._program} {' '.join(arguments)} failed: {said}")

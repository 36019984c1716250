"""Starting the programs that build media; none of them outlives the server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from infinibay.errors import HostFailure
from infinibay.host.process import run
from infinibay.log import get_logger
from infinibay.unattended.media import disk

_log = get_logger(__name__)
# The packages by the programs that are run.
PACKAGES: Mapping[str, str] = {
    "xorriso": "xorriso",
    "mdir": "mtools",
    "mtype": "mtools",
    "mcopy": "mtools",
    "qemu-img": "qemu-utils",
    "qemu-io": "qemu-utils",
}
_FULL = "No space left on device"


async def build(*command: str, folder: Path, seconds: float) -> str:
    """Runs a program that writes below the folder, and gives its output.

    Raises HostFailure when it fails, does not end in time, is not installed, or the disk is full.
    """
    # Were the server killed, an orphan would go on writing to a file that nobody waits for.
    ended = await run(("setpriv", "--pdeathsig", "KILL", "env", "LC_ALL=C", *command), seconds=seconds)
    if ended.code == 0:
        return ended.stdout
    program = Path(command[0]).name
    _log.warning("media.program_failed", program=program, status=ended.code, said=ended.stderr[-2000:])
    if _FULL in ended.stderr:
        raise disk.no_space(folder)
    if ended.timed_out:
        raise HostFailure(f"{program} did not end within {seconds:.0f} s")
    raise HostFailure(f"{program} failed: {_reason(ended.stderr)}")


def _reason(said: str) -> str:
    """The line that says why: the first that xorriso marks as a failure, or any program's last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it said nothing"]
    return next((line for line in lines if " FAILURE : " in line or " FATAL : " in line), lines[-1])

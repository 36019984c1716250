"""Programs of the distribution's packages, without installing these: what is a service stays off this machine."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path


def unpack(names: list[str], to: Path) -> None:
    """Downloads packages and unpacks them side by side into one folder. Raises RuntimeError with apt's complaint."""
    with tempfile.TemporaryDirectory() as downloads:
        run("apt-get", "download", "-q", *names, cwd=Path(downloads))
        for package in Path(downloads).glob("*.deb"):
            run("dpkg-deb", "-x", package, to, cwd=Path(downloads))


def run(*command: str | Path, cwd: Path, data: bytes | None = None) -> bytes:
    """Runs a program to its end and gives its output. Raises RuntimeError with what it said on failure."""
    done = subprocess.run(command, cwd=cwd, input=data, capture_output=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said}")
    return done.stdout

"""A machine that systemd really boots: the programs of this one in a container, which has an /etc, a /var and a network
of its own, and libvirt's daemons as systemd starts them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.support.wait import until_sync

_FOLDERS = ("dev", "proc", "sys", "run", "tmp", "root", "usr", "opt", "srv", "var/lib/dpkg")
# Links into /usr, as far as the architecture has them.
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# What somebody has set up on this machine; the container starts as the packages leave it.
_OWN_CONFIGURATION = (
    "etc/systemd/system",
    "etc/fstab",
    "etc/libvirt/qemu",
    "etc/libvirt/storage",
    "etc/libvirt/secrets",
)
_NETWORK = "usr/share/libvirt/networks/default.xml"
_INIT = "systemd"
# What else is installed here may fail in a container; the service is looked at for itself.
_UP = {"running", "degraded"}
_AGAIN = 133
_SECONDS = 60
_ORDERLY_SECONDS = 20


class SystemdMachine:
    """`root` is its file system as seen from here."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self._written = folder / "written"
        self._mounts: list[str] = []
        self._log = folder / "console.log"
        self._container: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Makes the file system."""
        for name in _FOLDERS:
            (self.root / name).mkdir(parents=True)
        for name in _LINKS:
            if (link := Path("/", name)).is_symlink():
                (self.root / name).symlink_to(link.readlink())
        subprocess.run(["cp", "--archive", "/etc", self.root], check=True)
        for name in _OWN_CONFIGURATION:
            place = self.root / name
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        for left in (self.root / "etc/libvirt/nwfilter").glob("ibay-*"):
            left.unlink()
        networks = self.root / "etc/libvirt/qemu/networks"
        networks.mkdir(parents=True)
        shutil.copy(Path("/", _NETWORK), networks)
        (self.root / "etc/machine-id").write_text(f"{uuid4().hex}\n")
        # The container is refused without, and /usr comes later.
        release = self.root / "etc/os-release"
        release.unlink()
        shutil.copy("/usr/lib/os-release", release)

    def lend(self, folder: Path, place: Path) -> None:
        """Shows it a folder of this machine; what it writes there stays with it."""
        written = self._written / str(len(self._mounts))
        written.mkdir(parents=True)
        self._mounts.append(f"--overlay={folder}:{written}:{place}")

    def boot(self) -> None:
        """Returns when systemd has started everything."""
        command = [
            *("setpriv", "--pdeathsig", "TERM"),
            *("systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--console=pipe", "--private-network"),
            *("--capability=all", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            *(f"--directory={self.root}", f"--machine=ib-{uuid4().hex[:8]}"),
            *("--bind-ro=/usr", "--bind-ro=/var/lib/dpkg", *self._mounts),
        ]
        with self._log.open("wb") as output:
            self._container = subprocess.Popen(
                command,
                # Control groups as Debian has them, whatever has mounted those of this machine.
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        until_sync(self._has_started, _SECONDS, "the start of systemd")

    def reboot(self) -> None:
        """Returns when everything has started again."""
        assert self._container is not None
        self._call("systemctl reboot")
        # The container ends with it, and tells that it wants to be started again.
        assert self._container.wait(_SECONDS) == _AGAIN
        self.boot()

    def _has_started(self) -> bool:
        assert self._container is not None
        assert self._container.poll() is None, self._log.read_text(errors="replace")
        return self._init() is not None and self._call("systemctl is-system-running").stdout.strip() in _UP

    def run(self, code: str, folder: Path = Path("/")) -> str:
        """What commands print in the machine, as root."""
        done = self._call(code, folder)
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}{self._journal()}"
        return done.stdout

    def succeeds(self, code: str) -> bool:
        return self._call(code).returncode == 0

    def power_off(self) -> None:
        """In order, or else at once."""
        if self._container is None:
            return
        self._container.terminate()
        try:
            self._container.wait(_ORDERLY_SECONDS)
        except subprocess.TimeoutExpired:
            self._container.terminate()  # The second time it kills what is left.
            self._container.wait(_SECONDS)

    def _call(self, code: str, folder: Path = Path("/")) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--target={self._init()}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        script = f'cd "$0"; {code}'
        return subprocess.run(
            [*enter, "bash", "-euo", "pipefail", "-c", script, str(folder)],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _init(self) -> int | None:
        """The container's first process, as it is numbered here; None while there is none."""
        assert self._container is not None
        children = Path(f"/proc/{self._container.pid}/task/{self._container.pid}/children")
        for child in children.read_text().split():
            try:
                if Path(f"/proc/{child}/comm").read_text().strip() == _INIT:
                    return int(child)
            except (FileNotFoundError, ProcessLookupError):
                continue  # It has ended meanwhile.
        return None

    def _journal(self) -> str:
        return self._call("journalctl --no-pager --lines 100").stdout


@contextmanager
def systemd_machine() -> Iterator[SystemdMachine]:
    """One that is prepared, and gone after the block."""
    # Everything below is root's: it holds a copy of /etc.
    folder = Path(tempfile.mkdtemp(prefix="ib-systemd-", dir="/var/tmp"))
    machine = SystemdMachine(folder)
    try:
        machine.prepare()
        yield machine
    finally:
        machine.power_off()
        shutil.rmtree(folder)

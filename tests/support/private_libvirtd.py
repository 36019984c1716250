"""A libvirtd of one's own, in its own mount namespace: it may be killed, frozen and started without harm to others.

It shares the kernel's network with the system's daemon, so bridges and filters need names of their own, and its guests'
screens have ports from a range drawn at random: another daemon might give out the same one at the same moment.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import libvirt

from infinibay.virt import event_loop
from tests.support.wait import until, until_sync

_NAMESPACE = """
set -e
mount --bind "$0/run" /run/libvirt
mount --bind "$0/etc" /etc/libvirt
mount --bind "$0/cache" /var/cache/libvirt
mount --bind "$0/log" /var/log/libvirt
mount --bind "$0/lib" /var/lib/libvirt
for hidden in "$@"; do
    mount --bind "$0/empty" "$hidden"
done
exec libvirtd -f /etc/libvirt/libvirtd.conf -p "$0/libvirtd.pid"
"""


class PrivateLibvirtd:
    """The daemon; `folder` holds all that it writes, and `hidden` folders are empty for it. Guests survive `kill` and
    `start`, and end with `stop`."""

    def __init__(self, qemu_settings: str = "", hidden: Sequence[str] = ()) -> None:
        # Short, since a socket's path has at most 107 characters, and traversable for QEMU's account.
        self.folder = Path(tempfile.mkdtemp(prefix="ib-virt-"))
        self.folder.chmod(0o711)
        self._hidden = hidden
        for name in ("run", "etc", "log", "lib", "empty"):
            (self.folder / name).mkdir(mode=0o711)
        # With the examination of QEMU from the system's daemon it is ready at once.
        shutil.copytree("/var/cache/libvirt", self.folder / "cache")
        (self.folder / "etc" / "libvirtd.conf").write_text(
            f'host_uuid = "{uuid.uuid4()}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n'
        )
        screens = random.randrange(10_000, 30_000, 100)
        ports = f"remote_display_port_min = {screens}\nremote_display_port_max = {screens + 99}\n"
        (self.folder / "etc" / "qemu.conf").write_text(f'stdio_handler = "file"\n{ports}{qemu_settings}')
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.folder}/run/libvirt-sock"

    @property
    def log_dir(self) -> Path:
        """Where QEMU's logs lie, seen from outside."""
        return self.folder / "log" / "qemu"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Returns when it answers."""
        event_loop.ensure_running()
        self._launch()
        await until(self._answers, seconds=30, what="the private libvirtd")

    def _launch(self) -> None:
        with (self.folder / "libvirtd.out").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "unshare",
                    "--mount",
                    "--propagation",
                    "private",
                    "sh",
                    "-c",
                    _NAMESPACE,
                    str(self.folder),
                    *self._hidden,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL, without any chance to say goodbye."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it lives and does not answer."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Ends the daemon and its guests, and removes its folder."""
        if self._process is not None:
            self._end(signal.SIGTERM)
        for file in (self.folder / "run" / "qemu").glob("*.pid"):
            _end_guest(int(file.read_text()))
        shutil.rmtree(self.folder)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(timeout=30)
        self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "libvirtd.out").read_text()
        try:
            libvirt.open(self.uri).close()
        except libvirt.libvirtError:
            return False
        return True


def _end_guest(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        until_sync(lambda: not Path(f"/proc/{pid}").exists(), what=f"the end of QEMU {pid}")


@asynccontextmanager
async def private_libvirtd(qemu_settings: str = "", hidden: Sequence[str] = ()) -> AsyncIterator[PrivateLibvirtd]:
    """A started daemon, which is ended with all its guests when the block is left."""
    daemon = PrivateLibvirtd(qemu_settings, hidden)
    try:
        await daemon.start()
        yield daemon
    finally:
        daemon.stop()

"""Runs the server with the daemons and the network it needs, hands signals on to it, and ends with its status."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import FrameType

from infinibay.errors import SettingError
from infinibay.settings import load
from scripts.daemons import running_daemons, running_network


class _Relay:
    """Takes this process's signals for the server; those that come before it runs reach it once it does."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._take)

    def run(self, command: list[str]) -> int:
        """Runs a command to its end in a process group of its own, so that it gets each Ctrl-C once, from here."""
        self._server = subprocess.Popen(command, process_group=0)
        for number in self._early:
            self._server.send_signal(number)
        return self._server.wait()

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self._server is None:
            self._early.append(number)
        else:
            self._server.send_signal(number)


def main() -> int:
    """The exit status of the server, or 128 + signal when one killed it, as a shell has it."""
    try:
        settings = load()
    except SettingError as wrong:
        sys.stderr.write(f"{wrong.message}\n")
        return 2
    relay = _Relay()
    # The server ends when this process is killed, too: nobody would hand signals on to it any more.
    server = ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "infinibay", "serve", *sys.argv[1:]]
    uri = settings.libvirt_uri
    with running_daemons(uri), running_network(uri, settings.libvirt_network_name):
        status = relay.run(server)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())

"""The product that is measured: its own process with a watched event loop, or one that `scripts/start` brings up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
from typing_extensions import override

from infinibay.settings import load
from tests.support.product import ROOT, Product


@dataclass(frozen=True)
class Gap:
    """The longest absence of the event loop within a second; `queued_ms` of it it waited for a processor."""

    at: float
    gap_ms: float
    queued_ms: float
    doing: str


class Watched(Product):
    """The server with a ticker in its loop."""

    @override
    def _launch(self, role: str, fault: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.settings, "INFINIBAY_BENCH_GAPS": str(self._gaps_file)}
        return self._spawn([sys.executable, "-m", "scripts.benchmarks.watched_server", role], environment)

    def gaps(self, since: float) -> list[Gap]:
        """The longest gap of each second since a moment (epoch seconds)."""
        lines = [json.loads(line) for line in self._gaps_file.read_text().splitlines()]
        return [Gap(**line) for line in lines if line and line["at"] >= since]

    @property
    def libvirt_uri(self) -> str:
        return load(self.settings).libvirt_uri

    @property
    def server(self) -> psutil.Process:
        """The running server."""
        if self.process is None:
            raise RuntimeError("the server is not started")
        return psutil.Process(self.process.pid)

    @property
    def _gaps_file(self) -> Path:
        return self.base / "gaps.jsonl"

    def _spawn(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )


class ByCommand(Watched):
    """The product as people start it."""

    @override
    def _launch(self, role: str, fault: str) -> subprocess.Popen[bytes]:
        return self._spawn(["scripts/start", "--role", role], {**os.environ, **self.settings})

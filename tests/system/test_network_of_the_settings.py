"""What runs the server for `scripts/start` starts the network of the settings, and stops it again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from typing_extensions import override

from tests.support.guest_iso import build_guest_iso
from tests.support.product import ROOT, Product


class Supervised(Product):
    """The server as `scripts/start` runs it once everything is prepared."""

    @override
    def _launch(self, role: str, fault: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "scripts.supervise", "--role", role]
        environment = {**os.environ, **self.settings}
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )

    def is_active(self, network: str) -> bool:
        return network in self.virsh("net-list", "--name").split()

    def guests(self) -> bool:
        """Whether any run, whosever they are; others come and go meanwhile."""
        return bool(self.virsh("list", "--name"))


@pytest.fixture
def network(libvirtd: str, tmp_path: Path) -> Iterator[str]:
    """Defined and off, without addresses."""
    name = f"ibt-{uuid4().hex[:8]}"
    xml = tmp_path / "network.xml"
    xml.write_text(f"<network><name>{name}</name><bridge name='{name}'/></network>")
    virsh = ["virsh", "-c", libvirtd]
    subprocess.run([*virsh, "net-define", str(xml)], check=True, capture_output=True)
    yield name
    for verb in ("net-destroy", "net-undefine"):
        subprocess.run([*virsh, verb, name], check=False, capture_output=True)


async def test_it_is_on_while_the_server_runs(network: str) -> None:
    product = Supervised(build_guest_iso(), LIBVIRT_NETWORK_NAME=network)
    try:
        await product.start()
        assert product.is_active(network)
        before = product.guests()
        assert await product.stop() == 0
        # Guests that run may need it.
        assert product.is_active(network) in {before, product.guests()}
    finally:
        await product.close()

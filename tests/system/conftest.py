"""The system's own libvirtd and real guests under TCG."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import libvirt
import pytest

from infinibay.virt import event_loop
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.documents import Page
from tests.support.iso_layouts import ubuntu_iso
from tests.support.wait import until_sync

URI = "qemu:///system"


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[str]:
    """The URI of the system's libvirtd, which is started with virtlogd when it does not run, and then left running."""
    event_loop.ensure_running()
    if not _answers():
        for program in ("virtlogd", "libvirtd"):
            subprocess.run([program, "-d"], check=False, capture_output=True)
        until_sync(_answers, seconds=30, what="libvirtd")
    yield URI


@pytest.fixture(scope="session")
async def hypervisor(libvirtd: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LibvirtHypervisor]:
    """Opened on `qemu:///system`."""
    opened = LibvirtHypervisor(libvirtd, tmp_path_factory.mktemp("run"))
    await opened.open()
    assert opened.connected
    yield opened
    await opened.close()


@pytest.fixture
def reachable_dir() -> Iterator[Path]:
    """A fresh folder that QEMU's account reaches, which pytest's own folders are not for it."""
    own = Path(tempfile.mkdtemp(prefix="infinibay-test-", dir="/var/lib/libvirt"))
    own.chmod(0o711)
    yield own
    shutil.rmtree(own)


@pytest.fixture(scope="session")
def empty_medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A medium without a system, for machines whose guest need not boot: they rest in their firmware."""
    return ubuntu_iso(tmp_path_factory.mktemp("media") / "empty.iso")


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    """The blocks that the test declares; all of them have to be read."""
    opened = Page([mark for marker in request.node.iter_markers("documents") for mark in marker.args])
    yield opened
    opened.done()


def _answers() -> bool:
    try:
        libvirt.open(URI).close()
    except libvirt.libvirtError:
        return False
    return True

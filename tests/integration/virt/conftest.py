"""libvirt's own test driver as the hypervisor; its state lives only as long as its connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.twin import twin_uri


@pytest.fixture
async def twin(tmp_path: Path) -> AsyncIterator[LibvirtHypervisor]:
    opened = LibvirtHypervisor(twin_uri(tmp_path), tmp_path / "run")
    await opened.open()
    yield opened
    await opened.close()

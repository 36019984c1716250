"""A libvirtd that may be killed, since the system's belongs to everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.private_libvirtd import PrivateLibvirtd, private_libvirtd


@pytest.fixture
async def daemon(libvirtd: str) -> AsyncIterator[PrivateLibvirtd]:
    """Started; the system's has examined QEMU for it."""
    async with private_libvirtd() as started:
        yield started

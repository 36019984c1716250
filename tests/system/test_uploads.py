"""A large medium goes to disk without growing the server, and what a client says of itself goes nowhere."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.guest_iso import build_guest_iso
from tests.support.iso_layouts import fedora_iso
from tests.support.product import EMAIL, PASSWORD, Product
from tests.support.scale import count

_LARGEST_GROWTH = 40 * 1024**2
# Real media are as large as this; the tests of every day send less.
_BYTES = count(400, 5000) * 1000**2


@pytest.fixture
async def product() -> AsyncIterator[Product]:
    made = Product(build_guest_iso())
    try:
        await made.start()
        yield made
    finally:
        await made.close()


def _peak(process: Path) -> int:
    """Bytes of memory at most so far."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", (process / "status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


async def test_memory_stays_flat_while_a_large_medium_comes(product: Product, tmp_path: Path) -> None:
    medium = fedora_iso(tmp_path / "fedora.iso")
    os.truncate(medium, _BYTES)
    token = await product.login(EMAIL, PASSWORD)
    assert product.process is not None
    await product.ask("{ allISOs { id } }")
    process = Path(f"/proc/{product.process.pid}")
    # Forgets the peak of the start.
    (process / "clear_refs").write_text("5")
    before = _peak(process)

    command = (
        "curl",
        "-sS",
        f"{product.url}/isoUpload",
        "-H",
        f"Authorization: Bearer {token}",
        "-F",
        f"file=@{medium};filename=of-the-client.iso",
    )
    sending = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    answer, _ = await sending.communicate()

    assert b"fedora-41-server-amd64.iso" in answer
    stored = product.base / "iso" / "fedora-41-server-amd64.iso"
    assert stored.stat().st_size == _BYTES
    assert _peak(process) - before < _LARGEST_GROWTH
    (row,) = (await product.ask('{ checkISOStatus(os: "FEDORA") { iso { checksum size } } }')).values()
    assert row["iso"]["size"] == str(_BYTES)
    done = await asyncio.create_subprocess_exec("sha256sum", str(medium), stdout=asyncio.subprocess.PIPE)
    assert (await done.communicate())[0].split()[0].decode() == row["iso"]["checksum"]
    assert product.secrets_in_log(token, "of-the-client", PASSWORD) == []

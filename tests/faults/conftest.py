"""Fixtures of the fault tests: the guest's ISO and a product of its own for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.guest_iso import build_guest_iso
from tests.support.product import Product


@pytest.fixture(scope="session")
def guest_iso() -> Path:
    """The tiny guest's ISO."""
    return build_guest_iso()


@pytest.fixture(scope="module")
async def product(guest_iso: Path) -> AsyncIterator[Product]:
    """A product that is not started yet."""
    made = Product(guest_iso)
    try:
        yield made
    finally:
        await made.close()

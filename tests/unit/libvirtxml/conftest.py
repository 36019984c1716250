"""Golden files: what is written is compared with what was read by a person once.

`REGENERATE_GOLDEN=1 pytest tests/unit/libvirtxml` writes them anew; the difference is then for a person to judge.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = Path("/usr/share/libvirt/schemas")

Judge = Callable[[str, str], None]


@cache
def _schema(name: str) -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(SCHEMAS / f"{name}.rng"))


@pytest.fixture
def valid() -> Judge:
    """`valid(schema, xml)`: libvirt's own schema of this name accepts the XML."""

    def judge(schema: str, xml: str) -> None:
        _schema(schema).assertValid(etree.fromstring(xml))

    return judge


@pytest.fixture
def golden() -> Judge:
    """`golden(name, xml)`: the XML is, byte for byte, that of the golden file."""

    def compare(name: str, xml: str) -> None:
        file = GOLDEN / f"{name}.xml"
        if os.environ.get("REGENERATE_GOLDEN") == "1":
            file.write_text(xml, encoding="utf-8")
        assert xml == file.read_text(encoding="utf-8")

    return compare

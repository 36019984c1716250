"""Names of media, and which one is a system's own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinibay.core.iso_recognition import Recognized
from infinibay.core.isos import default_of, is_plain_name, stem_for, system_of_name, system_of_word


@dataclass(frozen=True)
class Medium:
    id: str
    filename: str
    version: str | None = None
    isDefault: bool = False  # noqa: N815 - the row's name for it
    problem: str | None = None
    stamp: str | None = "there"
    os: str = "ubuntu"


@pytest.mark.parametrize("name", ["ubuntu.iso", "Win11_23H2 x64.iso", "é.iso", "a" * 196 + ".iso"])
def test_plain_names(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".iso", ".hidden.iso", "../x.iso", "/etc/x.iso", "a/b.iso", "a\\b.iso", "x.ISO", "x.iso.part", "x\0.iso"),
        *("x\n.iso", "\u202ex.iso", "a" * 197 + ".iso"),
    ],
)
def test_names_that_could_lead_elsewhere(name: str) -> None:
    assert not is_plain_name(name)


@given(*(st.text(max_size=80) for _ in range(3)))
def test_what_a_medium_says_never_makes_a_name_that_leads_elsewhere(version: str, edition: str, arch: str) -> None:
    stem = stem_for(Recognized("fedora", version, (edition,), arch, "", ()))
    assert is_plain_name(f"{stem}.iso")
    assert stem.isascii()


def test_the_name_says_what_is_in_it() -> None:
    assert stem_for(Recognized("ubuntu", "24.04.1", ("Server",), "amd64", "", ())) == "ubuntu-24.04.1-server-amd64"
    assert stem_for(Recognized("windows11", "22631", ("Home", "Pro"), "amd64", "", ())) == "windows11-22631-amd64"


def test_systems_by_name_and_word() -> None:
    assert [system_of_name(name) for name in ("ubuntu.iso", "ubuntu", "macos.iso", "ubuntu-24.iso")] == [
        "ubuntu",
        None,
        None,
        None,
    ]
    assert [system_of_word(word) for word in ("UBUNTU", " windows11 ", "macos", "")] == [
        "ubuntu",
        "windows11",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("media", "wanted"),
    [
        ([], None),
        ([Medium("other", "fedora.iso", os="fedora")], None),
        ([Medium("old", "a.iso", "22.04.5"), Medium("new", "b.iso", "24.04"), Medium("odd", "c.iso")], "new"),
        ([Medium("new", "b.iso", "24.04", problem="damaged"), Medium("old", "a.iso", "22.04")], "old"),
        ([Medium("new", "b.iso", "24.04"), Medium("named", "ubuntu.iso", "20.04")], "named"),
        ([Medium("new", "b.iso", "24.04"), Medium("named", "ubuntu.iso", problem="damaged")], "named"),
        ([Medium("new", "b.iso", "24.04"), Medium("named", "ubuntu.iso", problem="missing", stamp=None)], "new"),
        ([Medium("named", "ubuntu.iso"), Medium("chosen", "b.iso", isDefault=True)], "chosen"),
        ([Medium("named", "ubuntu.iso"), Medium("chosen", "b.iso", isDefault=True, problem="x", stamp=None)], "chosen"),
    ],
)
def test_the_medium_that_a_system_is_installed_from(media: list[Medium], wanted: str | None) -> None:
    found = default_of(media, "ubuntu")
    assert (found.id if found else None) == wanted

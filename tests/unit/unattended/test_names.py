"""Host names from machines' names, and what Windows calls a computer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinibay.unattended.names import HOST_NAME, computer_name, host_name

_ID = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Web Server (prod)", "web-server-prod"),
        ("Jörg's Büro", "jorg-s-buro"),
        ("-a_b.c-", "a-b-c"),
        ("😀", "machine-0b9f6f0e"),
        ("x" * 100, "x" * 63),
        ("a" * 62 + " b", "a" * 62),
    ],
)
def test_a_host_name_reads_like_the_machine_s(name: str, expected: str) -> None:
    assert host_name(name, _ID) == expected


@given(st.text(max_size=100))
def test_each_machine_has_a_host_name(name: str) -> None:
    assert HOST_NAME.fullmatch(host_name(name, _ID))


@pytest.mark.parametrize(("label", "expected"), [("web-1", "web-1"), ("a" * 15, "a" * 15), ("12345", "pc-12345-5994")])
def test_a_computer_name(label: str, expected: str) -> None:
    assert computer_name(label) == expected


@given(st.from_regex(HOST_NAME, fullmatch=True))
def test_a_computer_name_is_short_and_no_number(label: str) -> None:
    name = computer_name(label)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= 15
    assert not name.isdigit()


def test_long_names_that_begin_alike_stay_apart() -> None:
    names = {computer_name(f"infinibay-build-server-{number}") for number in range(50)}
    assert len(names) == 50

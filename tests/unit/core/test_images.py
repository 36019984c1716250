"""Names of the files that images are made from."""

from __future__ import annotations

import pytest

from infinibay.core.images import is_image_file


@pytest.mark.parametrize("name", ["noble.img", "debian-12 x64.qcow2", "é.raw", "a" * 196 + ".img"])
def test_names_of_images(name: str) -> None:
    assert is_image_file(name)


@pytest.mark.parametrize(
    "name",
    ["", "noble.iso", ".img", ".hidden.img", "../x.img", "/etc/x.img", "a\\b.raw", "a\0.img", "a\n.img", "b" * 200],
)
def test_what_is_no_name_of_an_image(name: str) -> None:
    assert not is_image_file(name)

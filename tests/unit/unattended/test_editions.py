"""Which edition of a Windows medium is installed, with which key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infinibay.errors import BadUserInput
from infinibay.unattended.installation import WindowsImage
from infinibay.unattended.windows.editions import choose
from tests.support.installations import IMAGES, plain

_OWN_KEY = "ABCDE-12345-ABCDE-12345-ABCDE"
_PRO_KEY = "W269N-WFGWX-YVC9B-4J6C9-T83GX"


def chosen(
    images: tuple[WindowsImage, ...] = IMAGES, edition: str | None = None, key: str | None = None
) -> tuple[int | None, str]:
    """The index of the image that is installed, and the key."""
    installation = plain("windows11")
    medium = replace(installation.medium, images=images)
    choice = choose(replace(installation, medium=medium, edition=edition, product_key=key))
    return choice.image.index if choice.image else None, choice.product_key


@pytest.mark.parametrize("edition", ["Professional", "professional", "Windows 11 Pro", "Pro", " pro "])
def test_by_id_or_name(edition: str) -> None:
    assert chosen(edition=edition) == (6, _PRO_KEY)
    assert chosen(edition="Education") == (4, "NW6C2-QMPVW-D7KKK-3GKT6-VCFB2")


def test_pro_when_nothing_is_wished() -> None:
    assert chosen() == (6, _PRO_KEY)


def test_the_only_one_that_there_is() -> None:
    assert chosen(IMAGES[1:2]) == (4, "NW6C2-QMPVW-D7KKK-3GKT6-VCFB2")


def test_a_key_alone_chooses_the_edition_in_setup() -> None:
    assert chosen(key=_OWN_KEY.lower()) == (None, _OWN_KEY)
    assert chosen(IMAGES[:1], key=_OWN_KEY) == (1, _OWN_KEY)


def test_a_given_key_is_used() -> None:
    assert chosen(edition="Home", key=_OWN_KEY) == (1, _OWN_KEY)


def test_a_medium_that_nobody_looked_at() -> None:
    assert chosen(()) == (None, _PRO_KEY)
    assert chosen((), "Enterprise") == (None, "NPPR9-FWDCX-D2C8J-H872K-2YT43")
    assert chosen((), key=_OWN_KEY) == (None, _OWN_KEY)


@pytest.mark.parametrize(
    ("images", "edition", "field", "message"),
    [
        (IMAGES, "Server", "edition", "This medium holds no 'Server', but Core, Education, Professional"),
        (IMAGES, "Home", "productKey", "There is no public key for 'Core': give a product key"),
        (IMAGES[:1], None, "productKey", "There is no public key for 'Core': give a product key"),
        (IMAGES[:2], None, "edition", "This medium holds several editions, choose one: Core, Education"),
        ((), "Core", "productKey", "There is no public key for 'Core': give a product key"),
    ],
)
def test_what_can_not_be_installed(
    images: tuple[WindowsImage, ...], edition: str | None, field: str, message: str
) -> None:
    with pytest.raises(BadUserInput) as refusal:
        chosen(images, edition)
    (problem,) = refusal.value.problems
    assert (problem.field, problem.message) == (field, message)

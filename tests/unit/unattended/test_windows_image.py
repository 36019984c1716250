"""The answer file for a system that sysprep has generalised, and what sets the machine up after it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from lxml import etree

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.errors import BadUserInput
from infinibay.unattended.factory import create_image_manager, create_unattended_manager
from infinibay.unattended.installation import Installation, Keyboard, Script
from tests.support.installations import WINDOWS, plain, varied
from tests.unit.unattended.windows_model import check_model, texts


def files(installation: Installation, system: str = "windows10") -> dict[str, bytes]:
    return create_image_manager(OPERATING_SYSTEMS[system]).files(installation)


def answers(installation: Installation, system: str = "windows10") -> etree._Element:
    return etree.fromstring(files(installation, system)["unattend.xml"])


@pytest.mark.parametrize("system", WINDOWS)
def test_thirty_varied_requests_hold_the_model(system: str) -> None:
    for installation in varied(system, 30):
        check_model(answers(installation, system), image=True)


def test_the_model_finds_what_only_an_installer_has() -> None:
    installer = create_unattended_manager("windows10").files(plain("windows10"))["autounattend.xml"]
    with pytest.raises(AssertionError):
        check_model(etree.fromstring(installer), image=True)
    good = files(plain("windows10"))["unattend.xml"].decode()
    for old, new in (
        ("<SystemLocale>", "<UILanguage>en-US</UILanguage><SystemLocale>"),
        ("<ComputerName>vm1<", f"<ComputerName>{'a' * 16}<"),
        ("specialize", "windowsPE"),
        ("<Enabled>true</Enabled>", ""),
    ):
        assert old in good
        with pytest.raises((AssertionError, etree.DocumentInvalid)):
            check_model(etree.fromstring(good.replace(old, new, 1).encode()), image=True)


def test_no_file_is_one_that_an_installer_would_take() -> None:
    """A medium of Windows may lie in another drive, and its installer would begin to erase the disk."""
    assert set(files(plain("windows10"))) == {"unattend.xml", "infinibay/setup.ps1", "infinibay/plan.json"}


@pytest.mark.parametrize(
    ("given", "told"), [(None, []), ("vk7jg-nphtm-c97jm-9mpgt-3v66t", ["VK7JG-NPHTM-C97JM-9MPGT-3V66T"])]
)
def test_an_image_keeps_its_product_key_unless_one_is_given(given: str | None, told: list[str]) -> None:
    root = answers(replace(plain("windows10"), product_key=given))

    assert texts(root, "ProductKey") == told
    check_model(root, image=True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"edition": "Professional"}, "edition"),
        ({"keyboard": Keyboard("us", "colemak")}, "keyboard"),
        ({"product_key": "no key"}, "productKey"),
        ({"firmware": "bios"}, "os"),
        ({"packages": ("vim",)}, "packages"),
        ({"scripts": (Script("one", "true", "sh"),)}, "firstBootScripts"),
        ({"account": replace(plain("windows11").account, password="x" * 128)}, "password"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], field: str) -> None:
    manager = create_image_manager(OPERATING_SYSTEMS["windows11"])
    installation = replace(plain("windows11"), **changes)  # type: ignore[arg-type]

    assert [problem.field for problem in manager.problems(installation)] == [field]
    with pytest.raises(BadUserInput):
        manager.files(installation)


def test_the_plan_tells_the_one_script_where_it_runs() -> None:
    """Which is the same script: an image has its guest tools, and its setup says that it has begun."""
    image, installer = files(plain("windows10")), create_unattended_manager("windows10").files(plain("windows10"))

    assert image["infinibay/setup.ps1"] == installer["infinibay/setup.ps1"]
    plans = [json.loads(one["infinibay/plan.json"]) for one in (image, installer)]
    assert [(plan["begins"], plan["tools"]) for plan in plans] == [("started", False), ("installed", True)]
    script = image["infinibay/setup.ps1"].decode()
    for name in plans[0]:
        assert f"$plan.{name}" in script

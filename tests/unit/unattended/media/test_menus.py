"""The menus of a remastered medium: read back by a shell's rules, they hold what went in."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinibay.unattended.media import menus
from infinibay.unattended.media.kernel import KernelPair
from tests.support.scale import count

PAIR = KernelPair("casper/vmlinuz", "casper/initrd")
ALLOWED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "\"'\\")
ARGUMENTS = st.lists(st.text(ALLOWED, min_size=1, max_size=40), max_size=6)


def line_of(menu: str, word: str) -> list[str]:
    """GRUB's words between single quotes are those of a shell."""
    return next(shlex.split(line) for line in menu.splitlines() if line.split()[0] == word)


@given(ARGUMENTS)
@settings(max_examples=count(50, 500), deadline=None)
def test_every_argument_comes_out_as_it_went_in(arguments: list[str]) -> None:
    checked = menus.checked(arguments)
    assert line_of(menus.grub("", PAIR, checked), "linux") == ["linux", "/casper/vmlinuz", *arguments]
    append = next(line for line in menus.isolinux(PAIR, checked).splitlines() if "append" in line)
    assert append.split() == ["append", "initrd=/casper/initrd", *arguments]


@pytest.mark.parametrize("argument", ["", "a b", 'a"b', "a'b", "a\\x20b", "a\nb", "ü", "\x7f"])
def test_an_argument_that_no_loader_hands_on_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match="cannot be a kernel argument"):
        menus.checked(["quiet", argument])


@pytest.mark.parametrize("suffix", ["", "efi", "16"])
def test_grubs_commands_are_those_of_the_replaced_menu(suffix: str) -> None:
    menu = menus.grub(f"menuentry 'x' {{\n\tlinux{suffix} /a quiet\n\tinitrd{suffix} /b\n}}\n", PAIR, ["quiet"])
    assert line_of(menu, f"linux{suffix}") == [f"linux{suffix}", "/casper/vmlinuz", "quiet"]
    assert line_of(menu, f"initrd{suffix}") == [f"initrd{suffix}", "/casper/initrd"]


def test_the_medium_is_looked_for_by_its_label_where_the_menu_lies_elsewhere() -> None:
    assert "search" not in menus.grub("", PAIR, [])
    searched = line_of(menus.grub("", PAIR, [], label="it's $x"), "search")
    assert searched == ["search", "--no-floppy", "--set=root", "--label", "it's $x"]


def test_both_menus_wait_for_a_second_and_start_by_themselves() -> None:
    assert {"set default=0", "set timeout=1"} <= set(menus.grub("", PAIR, []).splitlines())
    assert {"default automatic", "prompt 0", "timeout 10"} <= set(menus.isolinux(PAIR, []).splitlines())


@pytest.mark.parametrize(
    ("text", "is_menu"),
    [
        ("linux /vmlinuz", True),
        ("menuentry 'x' {\n\tlinuxefi /vmlinuz\n}", True),
        ("search --file --set=root /.disk/info\nset prefix=($root)/boot/grub\nsource $prefix/grub.cfg", False),
        ("# linux /vmlinuz", False),
        ("insmod linux", False),
    ],
)
def test_a_menu_starts_a_kernel_itself(text: str, is_menu: bool) -> None:
    assert menus.is_grub_menu(text) is is_menu

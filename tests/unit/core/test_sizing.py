"""Limits and the exact words that a person reads about them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinibay.core import sizing
from infinibay.core.operating_systems import OPERATING_SYSTEMS, Family
from infinibay.core.sizing import HostLimits, Verdict
from infinibay.errors import FieldProblem
from infinibay.libvirtxml.element import document, leaf, parse

UBUNTU, WINDOWS11 = OPERATING_SYSTEMS["ubuntu"], OPERATING_SYSTEMS["windows11"]
HOST = HostLimits(max_vcpus=288, host_cpus=8, host_memory_gb=32, pool_available_gb=100)
LONG = "The name must have at most 100 characters, not 101"
CONTROL = "The name must not have control characters"
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def messages(problems: list[FieldProblem]) -> list[str]:
    return [problem.message for problem in problems]


@pytest.mark.parametrize(
    "name", ["a", " a ", "a" * 100, " " * 50 + "a" * 100, "é😀 <b>\"'&;--", "../etc", "名前", "a\xa0b"]
)
def test_good_names(name: str) -> None:
    assert sizing.name_problems("name", name) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "The name must not be empty"),
        (" \t\n", "The name must not be empty"),
        ("a" * 101, LONG),
        ("a\nb", CONTROL),
        ("a\0b", CONTROL),
        ("a\x7fb", CONTROL),
        ("a\u2028b", CONTROL),
        ("a\ud800b", CONTROL),
        ("a\ufffe", CONTROL),
        ("a\U0001ffff", CONTROL),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    assert sizing.name_problems("departmentName", name) == [FieldProblem("departmentName", message)]


@settings(deadline=None)
@given(ANY_TEXT)
def test_what_passes_can_be_carried_everywhere(text: str) -> None:
    if not sizing.name_problems("name", text):
        kept = text.strip()
        assert parse(document(leaf("a", kept))).text == kept
        assert kept.encode().decode() == kept
        assert "\0" not in kept


@pytest.mark.parametrize("username", ["a", "_", "web-1", "_ap", "operators", "a" * 32])
def test_good_linux_users(username: str) -> None:
    assert sizing.username_problems(username, Family.UBUNTU) == []
    assert sizing.username_problems(username, Family.REDHAT) == []


@pytest.mark.parametrize(
    "username", ["", "1a", "-a", "Anna", "a" * 33, "a b", "a:b", "a\n", "anna@x", "ä", "a$", "a;b"]
)
def test_bad_linux_users(username: str) -> None:
    message = "The username must have 1 to 32 characters of a-z, 0-9, _ and -, and start with a letter or _"
    assert sizing.username_problems(username, Family.UBUNTU) == [FieldProblem("username", message)]


# Accounts and groups, by the packages that bring them.
_BASE_PASSWD = (
    "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody adm tty disk "
    "kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff "
    "users nogroup"
)
_SETUP = (
    "root bin daemon adm lp sync shutdown halt mail operator games ftp nobody sys tty disk mem kmem wheel cdrom "
    "man dialout floppy tape video lock audio users utmp utempter"
)
_SYSTEMD = "input kvm render sgx systemd-journal systemd-network systemd-resolve systemd-timesync systemd-coredump"


@pytest.mark.parametrize("username", sorted({*_BASE_PASSWD.split(), *_SETUP.split(), *_SYSTEMD.split()}))
@pytest.mark.parametrize("family", [Family.UBUNTU, Family.DEBIAN, Family.REDHAT])
def test_what_a_system_has_is_taken(username: str, family: Family) -> None:
    assert messages(sizing.username_problems(username, family)) == [f"The username {username} belongs to the system"]


@pytest.mark.parametrize("username", ["a", "Anna Müller", "a.b", "1", "-", "a" * 20, "анна"])
def test_good_windows_users(username: str) -> None:
    assert sizing.username_problems(username, Family.WINDOWS) == []


@pytest.mark.parametrize(
    ("username", "message"),
    [
        ("", "The username must have 1 to 20 characters"),
        ("a" * 21, "The username must have 1 to 20 characters"),
        ("...", "The username must not consist of dots and spaces alone"),
        (" . ", "The username must not consist of dots and spaces alone"),
        ("a.", "The username must not end with a dot, nor begin or end with a space"),
        (" a", "The username must not end with a dot, nor begin or end with a space"),
        ("Administrator", "The username Administrator belongs to Windows"),
        *(
            (f"a{c}b", 'The username must not have control characters or any of " / \\ [ ] : ; | = , + * ? < > @')
            for c in '"/\\[]:;|=,+*?<>@\n\0\ud800'
        ),
    ],
)
def test_bad_windows_users(username: str, message: str) -> None:
    assert sizing.username_problems(username, Family.WINDOWS) == [FieldProblem("username", message)]


@pytest.mark.parametrize("password", ["x", " ", "a" * 128, "\"'<>&%$\\`${x}", "пароль😀"])
def test_good_passwords(password: str) -> None:
    assert sizing.password_problems(password) == []


@pytest.mark.parametrize("password", ["", "a" * 129])
def test_passwords_of_a_bad_length(password: str) -> None:
    assert messages(sizing.password_problems(password)) == ["The password must have 1 to 128 characters"]


@pytest.mark.parametrize("password", ["a\n", "\0", "a\ud83d"])
def test_passwords_with_control_characters(password: str) -> None:
    wanted = [FieldProblem("password", "The password must not have control characters")]
    assert sizing.password_problems(password) == wanted


@pytest.mark.parametrize("key", ["ABCDE-12345-FGHIJ-67890-KLMNO", "abcde-12345-fghij-67890-klmno"])
def test_good_product_keys(key: str) -> None:
    assert sizing.product_key_problems(key) == []


@pytest.mark.parametrize(
    "key", ["", "ABCDE", "ABCDE-12345-FGHIJ-67890-KLMN", "ABCDE-12345-FGHIJ-67890-KLMNO\n", "ä" * 29]
)
def test_bad_product_keys(key: str) -> None:
    message = "The product key must look like XXXXX-XXXXX-XXXXX-XXXXX-XXXXX"
    assert sizing.product_key_problems(key) == [FieldProblem("productKey", message)]


def test_sizes_that_no_host_has() -> None:
    assert sizing.size_problems(1, 1, 1) == []
    assert sizing.size_problems(255, 4096, 65536) == []
    assert sizing.size_problems(0, -1, 65537) == [
        FieldProblem("customCores", "A machine has 1 to 255 cores, not 0"),
        FieldProblem("customRam", "A machine has 1 to 4096 GB of RAM, not -1"),
        FieldProblem("customStorage", "A machine has 1 to 65536 GB of disk, not 65537"),
    ]


def test_a_machine_that_fits() -> None:
    assert sizing.host_verdict(cores=8, ram_gb=25, disk_gb=100, system=UBUNTU, limits=HOST) == Verdict((), ())


def test_a_machine_that_is_too_large_or_too_small() -> None:
    small = HostLimits(max_vcpus=16, host_cpus=8, host_memory_gb=32, pool_available_gb=None)
    assert sizing.host_verdict(cores=17, ram_gb=33, disk_gb=20, system=WINDOWS11, limits=small) == Verdict(
        (
            FieldProblem("customCores", "This host's hypervisor gives a machine at most 16 cores, not 17"),
            FieldProblem("customRam", "This host has 32 GB of RAM, less than 33"),
            FieldProblem("customStorage", "Windows 11 needs a disk of at least 64 GB, not 20"),
        ),
        (),
    )
    too_little = sizing.host_verdict(cores=1, ram_gb=2, disk_gb=64, system=WINDOWS11, limits=HOST)
    assert messages(list(too_little.problems)) == ["Windows 11 needs at least 4 GB of RAM, not 2"]


def test_problems_of_a_template_are_laid_to_the_template() -> None:
    verdict = sizing.host_verdict(cores=1, ram_gb=2, disk_gb=64, system=WINDOWS11, limits=HOST, from_template=True)
    assert [problem.field for problem in verdict.problems] == ["templateId"]


def test_what_only_speaks_against_it() -> None:
    assert sizing.host_verdict(cores=9, ram_gb=26, disk_gb=101, system=UBUNTU, limits=HOST) == Verdict(
        (),
        (
            "9 cores are more than the 8 CPUs of this host: the machine will be slow",
            "26 GB of RAM is nearly all of the 32 GB of this host",
            "The disk may grow to 101 GB, and the storage pool has 100 GB left",
        ),
    )

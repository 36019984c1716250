"""What is wrong with an installation is told by the fields of the interface, before any file is written."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.errors import BadUserInput, FieldProblem
from infinibay.unattended.factory import create_image_manager, create_unattended_manager
from infinibay.unattended.installation import (
    Account,
    Application,
    Installation,
    Keyboard,
    Medium,
    Script,
    StaticNetwork,
)
from infinibay.unattended.names import computer_name
from infinibay.unattended.ubuntu import UbuntuManager
from tests.support.installations import LINUX, PASSWORD_HASH, SYSTEMS, WINDOWS, plain, ssh_key

_MAC = "52:54:00:00:00:01"


def problems(system: str, **changes: Any) -> list[tuple[str, str]]:
    """Field and message of each; no file is written when there are any."""
    manager, installation = create_unattended_manager(system), replace(plain(system), **changes)
    found = manager.problems(installation)
    if found:
        with pytest.raises(BadUserInput) as refusal:
            manager.files(installation)
        assert refusal.value.problems == found
    return [(problem.field, problem.message) for problem in found]


def fields(system: str, **changes: Any) -> list[str]:
    return [field for field, _ in problems(system, **changes)]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_least_that_can_be_asked_for_has_no_problems(system: str) -> None:
    assert problems(system) == []


def test_an_unknown_system_is_refused() -> None:
    with pytest.raises(BadUserInput, match="There is no unattended installation of plan9") as refusal:
        create_unattended_manager("plan9")
    assert [problem.field for problem in refusal.value.problems] == ["os"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("locale", {"locale": "english"}),
        ("locale", {"locale": "en_US.UTF-8"}),
        ("locale", {"locale": 'en_US"\nrootpw x'}),
        ("keyboard", {"keyboard": Keyboard("klingon")}),
        ("keyboard", {"keyboard": Keyboard("de", "no dead keys")}),
        ("timezone", {"time_zone": "Mars/X"}),
        ("timezone", {"time_zone": ""}),
        ("hostname", {"host_name": "-a"}),
        ("hostname", {"host_name": "a.b"}),
        ("hostname", {"host_name": "A"}),
        ("hostname", {"host_name": "a" * 64}),
        ("hostname", {"host_name": "localhost"}),
        ("hostname", {"host_name": "a\n"}),
        ("reportPort", {"report_port": "a/../b"}),
        ("reportPort", {"report_port": "$(id)"}),
        ("mirror", {"mirror": "ftp://example.com"}),
        ("mirror", {"mirror": "http://example.com/'x"}),
        ("mirror", {"mirror": "http://example.com/a b"}),
        ("applications", {"applications": (Application("a"),)}),
        ("applications", {"applications": (Application("a b", ("true",)),)}),
        ("applications", {"applications": (Application("a", ("tr\0ue",)),)}),
        ("applications", {"applications": (Application("a", ("true",)), Application("a", ("true",)))}),
        ("firstBootScripts", {"scripts": (Script("a", "\0", "sh"),)}),
        ("firstBootScripts", {"scripts": (Script("../a", "", "sh"),)}),
        (
            "network",
            {"network": StaticNetwork(_MAC, IPv4Interface("192.0.2.1/24"), IPv4Address("198.51.100.1"))},
        ),
        (
            "network",
            {"network": StaticNetwork("52:54", IPv4Interface("192.0.2.1/24"), IPv4Address("192.0.2.2"))},
        ),
    ],
)
def test_a_bad_value_is_told_by_its_field(system: str, field: str, changes: dict[str, Any]) -> None:
    found = fields(system, **changes)
    # An interpreter that a system lacks is a second problem of the same field.
    assert found
    assert set(found) == {field}


@pytest.mark.parametrize("full_name", ["", " a", "a\nb", "a" * 101, "a\u2028b"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_bad_full_name(system: str, full_name: str) -> None:
    account = replace(plain(system).account, full_name=full_name)
    assert set(fields(system, account=account)) == {"fullName"}


@pytest.mark.parametrize("system", LINUX)
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("password", {"account": Account("dev")}),
        ("password", {"account": Account("dev", password="secret")}),
        ("password", {"account": Account("dev", password_hash="secret")}),
        ("username", {"account": Account("root", password_hash=PASSWORD_HASH)}),
        ("username", {"account": Account("Dev", password_hash=PASSWORD_HASH)}),
        ("fullName", {"account": Account("dev", "a:b", password_hash=PASSWORD_HASH)}),
        ("fullName", {"account": Account("dev", "a\\", password_hash=PASSWORD_HASH)}),
        ("packages", {"packages": ("-y",)}),
        ("packages", {"packages": ("curl; id",)}),
        ("applications", {"applications": (Application("a", packages=("../x",)),)}),
        ("firstBootScripts", {"scripts": (Script("a", "", "powershell"),)}),
        ("sshKeys", {"ssh_keys": ("ssh-ed25519",)}),
        ("sshKeys", {"ssh_keys": ("ssh-ed25519 AAAA me",)}),
        ("sshKeys", {"ssh_keys": (ssh_key("me").replace("ed25519", "rsa"),)}),
        ("sshKeys", {"ssh_keys": (ssh_key("a\nb"),)}),
        ("sshKeys", {"ssh_keys": ("command=x " + ssh_key("me"),)}),
        ("sshKeys", {"ssh_keys": (ssh_key("c" * 9000),)}),
    ],
)
def test_what_no_linux_takes(system: str, field: str, changes: dict[str, Any]) -> None:
    assert fields(system, **changes) == [field]


@pytest.mark.parametrize("username", ["admin", "mysql", "libvirt-qemu", "_dev"])
def test_a_username_at_which_the_installer_of_debian_would_stop(username: str) -> None:
    account = Account(username, password_hash=PASSWORD_HASH)
    assert fields("debian", account=account) == ["username"]
    assert [fields(system, account=account) for system in LINUX if system != "debian"] == [[]] * 5


@pytest.mark.parametrize("system", WINDOWS)
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("password", {"account": Account("dev")}),
        ("password", {"account": Account("dev", password_hash=PASSWORD_HASH)}),
        ("password", {"account": Account("dev", password="x" * 128)}),
        ("password", {"account": Account("dev", password="😀" * 64)}),
        ("username", {"account": Account("Administrator", password="secret")}),
        ("username", {"account": Account("a/b", password="secret")}),
        ("keyboard", {"keyboard": Keyboard("de", "nodeadkeys")}),
        ("productKey", {"product_key": "12345"}),
        ("productKey", {"edition": "Core"}),
        ("packages", {"packages": ("curl",)}),
        ("applications", {"applications": (Application("a", ("true",), ("curl",)),)}),
        ("firstBootScripts", {"scripts": (Script("a", "", "bash"),)}),
        ("sshKeys", {"ssh_keys": (ssh_key("me"),)}),
    ],
)
def test_what_windows_does_not_take(system: str, field: str, changes: dict[str, Any]) -> None:
    assert fields(system, **changes) == [field]


@pytest.mark.parametrize("system", WINDOWS)
@pytest.mark.parametrize("image", [False, True])
@pytest.mark.parametrize(
    ("host_name", "username", "refused"),
    [
        ("reception", "reception", True),
        ("reception", "Reception", True),
        ("reception", "reception1", False),
        # What the computer is called counts, not the whole host name.
        ("infinibay-build-server", "infinibay-build-server"[:15], False),
        ("infinibay-build-server", computer_name("infinibay-build-server").upper(), True),
        ("12345", "12345", False),
    ],
)
def test_no_account_of_windows_has_the_computer_s_name(
    system: str, image: bool, host_name: str, username: str, refused: bool
) -> None:
    manager = create_image_manager(OPERATING_SYSTEMS[system]) if image else create_unattended_manager(system)
    installation = replace(plain(system), host_name=host_name, account=Account(username, password="secret"))

    message = f"The username {username} is the computer's name too, which Windows forbids; change it or the hostname"
    assert manager.problems(installation) == ((FieldProblem("username", message),) if refused else ())


def test_windows_takes_the_longest_password_that_it_can() -> None:
    assert problems("windows11", account=Account("dev", password="x" * 127)) == []


def test_windows_11_needs_uefi() -> None:
    assert problems("windows11", firmware="bios") == [
        ("os", "Windows 11 needs UEFI, which this host does not offer"),
    ]


@pytest.mark.parametrize(
    ("medium", "refused"),
    [
        (Medium("24.04.1", "ubuntu-desktop-minimal"), False),
        (Medium("23.04", "ubuntu-desktop"), False),
        (Medium("22.04.5", "ubuntu-desktop"), True),
        (Medium("22.04.5"), False),
        (Medium("20.04.6"), False),
        (Medium("18.04.6"), True),
        (Medium("unknown"), True),
    ],
)
def test_ubuntu_s_media(medium: Medium, refused: bool) -> None:
    assert fields("ubuntu", medium=medium) == (["isoId"] if refused else [])


def test_a_medium_without_packages_needs_a_mirror() -> None:
    bare = Medium("9.5", has_packages=False)
    assert fields("rocky", medium=bare) == ["isoId"]
    assert problems("rocky", medium=bare, mirror="http://mirror.example.com/rocky/9/BaseOS/x86_64/os") == []


def test_all_problems_are_told_at_once() -> None:
    assert fields("debian", locale="x", time_zone="y", host_name="-") == ["locale", "timezone", "hostname"]


def test_no_message_and_no_text_of_an_installation_shows_a_secret() -> None:
    secret = "hunter2\0"
    installation = replace(
        plain("windows11"),
        account=Account("dev", password=secret),
        product_key=secret,
        applications=(Application("a", (secret,)),),
        scripts=(Script("s", secret, "powershell"),),
    )
    assert "hunter2" not in repr(installation)
    assert "hunter2" not in str(create_unattended_manager("windows11").problems(installation))
    hashed = replace(plain("ubuntu"), account=Account("dev", password_hash="hunter2"))
    assert "hunter2" not in repr(hashed)
    assert "hunter2" not in str(UbuntuManager().problems(hashed))


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_commands_of_applications_have_a_language(system: str) -> None:
    assert create_unattended_manager(system).interpreter == ("powershell" if system in WINDOWS else "sh")


def test_an_installation_is_a_plain_value() -> None:
    assert plain("fedora") == plain("fedora")
    assert isinstance(hash(plain("fedora")), int)
    assert isinstance(plain("fedora"), Installation)

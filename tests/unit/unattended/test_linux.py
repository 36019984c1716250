"""What each Linux installer demands, beside what the formats' own tools look at: models of our own."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
import yaml

from infinibay.unattended.factory import create_unattended_manager
from infinibay.unattended.installation import Installation, Medium, StaticNetwork
from tests.support.answers import Kickstart, kickstart_archive, read_kickstart, read_preseed, unpacked
from tests.support.installations import LINUX, RED_HAT, plain, ssh_key, varied

_STATIC = StaticNetwork(
    "52:54:00:ab:cd:ef", IPv4Interface("192.0.2.10/24"), IPv4Address("192.0.2.1"), (IPv4Address("192.0.2.53"),)
)
# The keys that the installer knows and that we use; anything else is misspelt, which no tool notices.
_AUTOINSTALL = {
    *("version", "refresh-installer", "locale", "keyboard", "timezone", "source", "network", "apt", "storage"),
    *("identity", "ssh", "early-commands", "late-commands", "error-commands", "shutdown"),
}
_REQUIRED = _AUTOINSTALL - {"source", "ssh"}
_COMMANDS = {
    *("text", "lang", "keyboard", "timezone", "network", "firstboot", "poweroff", "rootpw", "user", "services"),
    *("zerombr", "ignoredisk", "clearpart", "autopart"),
}
# Each answers a question that the installer asks even at critical priority, or that would go out to a network.
_QUESTIONS = {
    "debian-installer/locale": "string",
    "keyboard-configuration/xkb-keymap": "select",
    "netcfg/choose_interface": "select",
    "netcfg/get_hostname": "string",
    "netcfg/get_domain": "string",
    "apt-setup/use_mirror": "boolean",
    "apt-setup/cdrom/set-first": "boolean",
    "apt-setup/services-select": "multiselect",
    "passwd/root-login": "boolean",
    "passwd/user-fullname": "string",
    "passwd/username": "string",
    "passwd/user-password-crypted": "password",
    "clock-setup/utc": "boolean",
    "clock-setup/ntp": "boolean",
    "time/zone": "string",
    "partman-auto/disk": "string",
    "partman-auto/method": "string",
    "partman-auto/choose_recipe": "select",
    "partman-partitioning/confirm_write_new_label": "boolean",
    "partman/choose_partition": "select",
    "partman/confirm": "boolean",
    "partman/confirm_nooverwrite": "boolean",
    "partman-efi/non_efi_system": "boolean",
    "grub-installer/bootdev": "string",
    "tasksel/first": "multiselect",
    "popularity-contest/participate": "boolean",
    "finish-install/reboot_in_progress": "note",
    "debian-installer/exit/poweroff": "boolean",
    "preseed/early_command": "string",
    "preseed/late_command": "string",
}


def ubuntu(installation: Installation) -> dict[str, Any]:
    document = yaml.safe_load(create_unattended_manager("ubuntu").files(installation)["user-data"])
    assert set(document) == {"autoinstall", "write_files"}
    answers: dict[str, Any] = document["autoinstall"]
    return answers


def red_hat(installation: Installation, system: str = "fedora") -> Kickstart:
    return read_kickstart(create_unattended_manager(system).files(installation)["ks.cfg"])


def debian(installation: Installation) -> dict[str, str]:
    answers = read_preseed(create_unattended_manager("debian").files(installation)["preseed.cfg"])
    return {question: value for question, (_, _, value) in answers.items()}


def test_thirty_varied_requests_of_ubuntu_hold_the_model() -> None:
    for installation in varied("ubuntu", 30):
        answers = ubuntu(installation)
        assert _REQUIRED <= set(answers) <= _AUTOINSTALL
        assert answers["version"] == 1
        assert set(answers["identity"]) == {"hostname", "username", "realname", "password"}
        assert answers["identity"]["password"].startswith("$6$")
        assert answers["shutdown"] == "poweroff"
        assert answers["apt"]["fallback"] == "offline-install"
        assert answers["storage"]["layout"]["name"] == "direct"
        # Without the network, a package that the medium lacks would end the installation.
        assert "packages" not in answers
        assert all(
            isinstance(command, str) for kind in ("early", "late", "error") for command in answers[f"{kind}-commands"]
        )


@pytest.mark.parametrize("system", RED_HAT)
def test_thirty_varied_requests_of_red_hat_hold_the_model(system: str) -> None:
    for installation in varied(system, 30):
        kickstart = red_hat(installation, system)
        names = [words[0] for words in kickstart.commands]
        assert len(names) == len(set(names))
        assert set(names) == _COMMANDS | {"cdrom"}
        assert ["rootpw", "--lock"] in kickstart.commands
        user = kickstart.options("user")
        assert set(user) == {"iscrypted", "name", "groups", "password", "gecos"}
        assert user["password"].startswith("$6$")
        heads = [head.split()[0] for head in kickstart.sections]
        assert heads == ["%packages", "%pre", "%post", "%onerror"]
        assert "--ignoremissing" in next(head for head in kickstart.sections if head.startswith("%packages"))
        assert "--log=" in next(head for head in kickstart.sections if head.startswith("%post"))


def test_thirty_varied_requests_of_debian_hold_the_model() -> None:
    for installation in varied("debian", 30):
        answers = read_preseed(create_unattended_manager("debian").files(installation)["preseed.cfg"])
        assert {question: answers[question][1] for question in _QUESTIONS} == _QUESTIONS
        assert {owner for owner, _, _ in answers.values()} == {"d-i", "tasksel"}
        assert {value for _, kind, value in answers.values() if kind == "boolean"} == {"true", "false"}
        assert answers["passwd/user-password-crypted"][2].startswith("$6$")
        assert "passwd/user-password" not in answers


@pytest.mark.parametrize("system", LINUX)
def test_no_password_but_its_hash_is_in_any_file(system: str) -> None:
    installation = plain(system)
    installation = replace(installation, account=replace(installation.account, password="hunter2hunter2"))
    files = create_unattended_manager(system).files(installation)
    assert b"hunter2" not in b"".join(files.values())


@pytest.mark.parametrize(
    ("system", "label", "files"),
    [
        ("ubuntu", "CIDATA", ["user-data", "meta-data"]),
        *((name, "OEMDRV", ["ks.cfg"]) for name in RED_HAT),
        ("debian", None, ["preseed.cfg", "infinibay-setup.tar.gz"]),
    ],
)
def test_where_the_installer_looks(system: str, label: str | None, files: list[str]) -> None:
    manager = create_unattended_manager(system)
    assert manager.label == label
    assert list(manager.files(plain(system))) == files


@pytest.mark.parametrize(
    ("label", "escaped"),
    [
        ("Rocky-9-5-x86_64-dvd", "Rocky-9-5-x86_64-dvd"),
        ("My ISO", r"My\x20ISO"),
        ('a" quiet', r"a\x22\x20quiet"),
        ("é", r"\xc3\xa9"),
    ],
)
def test_a_label_is_one_word_on_the_kernel_s_command_line(label: str, escaped: str) -> None:
    arguments = create_unattended_manager("rocky").kernel_arguments(label)
    assert arguments == (
        f"inst.stage2=hd:LABEL={escaped}",
        "inst.ks=hd:LABEL=OEMDRV:/ks.cfg",
        "inst.cmdline",
        "console=ttyS0",
    )


def test_the_other_kernel_arguments() -> None:
    assert create_unattended_manager("ubuntu").kernel_arguments("x") == ("autoinstall", "ds=nocloud", "console=ttyS0")
    assert create_unattended_manager("debian").kernel_arguments("x") == (
        "auto=true",
        "priority=critical",
        "DEBIAN_FRONTEND=text",
        "console=ttyS0",
    )
    assert create_unattended_manager("windows11").kernel_arguments("x") == ()


def test_a_fixed_address() -> None:
    assert ubuntu(replace(plain("ubuntu"), network=_STATIC))["network"]["ethernets"]["fixed"] == {
        "match": {"macaddress": "52:54:00:ab:cd:ef"},
        "addresses": ["192.0.2.10/24"],
        "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1"}],
        "nameservers": {"addresses": ["192.0.2.53"]},
    }
    assert red_hat(replace(plain("fedora"), network=_STATIC)).options("network") == {
        "bootproto": "static",
        "device": "52:54:00:ab:cd:ef",
        "ip": "192.0.2.10",
        "netmask": "255.255.255.0",
        "gateway": "192.0.2.1",
        "nameserver": "192.0.2.53",
        "activate": "",
        "hostname": "vm1",
    }
    answers = debian(replace(plain("debian"), network=_STATIC))
    assert {question: value for question, value in answers.items() if question.startswith("netcfg/get_")} == {
        "netcfg/get_hostname": "vm1",
        "netcfg/get_domain": "",
        "netcfg/get_ipaddress": "192.0.2.10",
        "netcfg/get_netmask": "255.255.255.0",
        "netcfg/get_gateway": "192.0.2.1",
        "netcfg/get_nameservers": "192.0.2.53",
    }


@pytest.mark.parametrize(
    ("version", "key"), [("24.04.1", "mirror-selection"), ("23.04", "mirror-selection"), ("22.04.5", "primary")]
)
def test_a_mirror_of_ubuntu(version: str, key: str) -> None:
    apt = ubuntu(replace(plain("ubuntu"), medium=Medium(version), mirror="http://mirror.example.com/ubuntu"))["apt"]
    primary = [{"arches": ["default"], "uri": "http://mirror.example.com/ubuntu"}]
    assert apt == {
        "fallback": "offline-install",
        "geoip": False,
        key: {"primary": primary} if key == "mirror-selection" else primary,
    }


def test_a_mirror_of_red_hat_serves_a_medium_without_packages_alone() -> None:
    mirror = "http://mirror.example.com/fedora"
    with_packages = red_hat(replace(plain("fedora"), mirror=mirror))
    assert ["cdrom"] in with_packages.commands
    bare = replace(plain("fedora"), mirror=mirror, medium=Medium("42", has_packages=False))
    assert ["url", f"--url={mirror}"] in red_hat(bare).commands


def test_a_mirror_of_debian() -> None:
    offline = debian(plain("debian"))
    assert (offline["apt-setup/use_mirror"], offline["apt-setup/no_mirror"]) == ("false", "true")
    assert not [question for question in offline if question.startswith("mirror/")]

    online = debian(replace(plain("debian"), mirror="https://mirror.example.com:8443/a/debian/"))
    assert {question: value for question, value in online.items() if question.startswith("mirror/")} == {
        "mirror/protocol": "https",
        "mirror/country": "manual",
        "mirror/https/hostname": "mirror.example.com:8443",
        "mirror/https/directory": "/a/debian",
        "mirror/https/proxy": "",
    }


def test_ubuntu_s_server_takes_the_keys_and_its_desktop_gets_them_with_the_ssh_server() -> None:
    keyed = replace(plain("ubuntu"), ssh_keys=(ssh_key("me"),))
    server = replace(keyed, medium=Medium("24.04", "ubuntu-server"))
    assert ubuntu(server)["ssh"] == {"install-server": True, "allow-pw": True, "authorized-keys": [ssh_key("me")]}
    assert ubuntu(server)["source"] == {"id": "ubuntu-server"}
    desktop = ubuntu(replace(keyed, medium=Medium("24.04", "ubuntu-desktop-minimal")))
    assert "ssh" not in desktop
    assert desktop["source"] == {"id": "ubuntu-desktop-minimal"}


@pytest.mark.parametrize("system", RED_HAT)
def test_the_keys_of_red_hat_s_family_come_with_the_first_boot(system: str) -> None:
    keyed = red_hat(replace(plain(system), ssh_keys=(ssh_key("me"), ssh_key("you", 2))), system)
    entries = unpacked(kickstart_archive(keyed))
    first = entries["var/lib/infinibay/setup/plan"].content.decode().splitlines()[0]
    assert first == "001 access ssh sh"
    assert ssh_key("you", 2).encode() in entries["var/lib/infinibay/setup/tasks/001"].content

"""Installations for the tests of the answer files: some by hypothesis, and thirty varied ones by a fixed seed."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from random import Random

from hypothesis import strategies as st
from tzlocal.windows_tz import tz_win

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.core.sizing import username_problems
from infinibay.unattended.installation import (
    Account,
    Application,
    Installation,
    Interpreter,
    Keyboard,
    Medium,
    Script,
    StaticNetwork,
    WindowsImage,
)
from infinibay.unattended.names import computer_name

# Of the password "secret"; a fresh one per installation would cost a tenth of a second each.
PASSWORD_HASH = (
    "$6$rounds=1000$saltsaltsaltsalt$"
    "3DbmhxCEyQ4UhdBRc0rcQMNBLZNmOp5hUi7aAnQoIdVMMUyrQnbNVONwOTETIo0jI77IUVNfRhVtIVqmCIV0U/"
)
WINDOWS = ("windows10", "windows11")
RED_HAT = ("fedora", "rhel", "rocky", "alma")
LINUX = ("ubuntu", *RED_HAT, "debian")
SYSTEMS = (*WINDOWS, *LINUX)
# What the validators know of the systems that are offered.
VERSIONS = {
    "ubuntu": ("20.04.6", "22.04.5", "24.04.1", "25.10"),
    "fedora": ("38", "39", "40", "41", "42", "43", "44"),
    "rhel": ("8.10", "9.4", "10.0"),
    "rocky": ("8.10", "9.5", "10.0"),
    "alma": ("8.9", "9.5", "10.1"),
    "debian": ("11.11.0", "12.5.0", "13.1.0"),
    "windows10": ("10.0.19045",),
    "windows11": ("10.0.22631", "10.0.26100"),
}
IMAGES = (
    WindowsImage(1, "Windows 11 Home", "Core"),
    WindowsImage(4, "Windows 11 Education", "Education"),
    WindowsImage(6, "Windows 11 Pro", "Professional"),
)
_NETWORK = StaticNetwork(
    "52:54:00:ab:cd:ef",
    IPv4Interface("192.0.2.10/24"),
    IPv4Address("192.0.2.1"),
    (IPv4Address("192.0.2.53"), IPv4Address("198.51.100.53")),
)
_NASTY = (
    'O\'Brien "the" $(rm -rf /)',
    "<Tom & Jerry> &amp; ]]>",
    "Ünïcödé 😀 Jörg",
    "100%d ${HOME} `id` \\n \\",
    "# no comment; really | yes",
    "'single' \u2018curly\u2019 %PATH% !x!",
)
_TEXT = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn", "Co"))
# One line, without blanks at its ends.
LINE = st.one_of(st.sampled_from(_NASTY), st.text(_TEXT, min_size=1, max_size=60)).map(str.strip).filter(bool)
BODY = st.text(st.one_of(_TEXT, st.sampled_from("\n\t'\"$`\\")), max_size=200)


def ssh_key(comment: str, seed: int = 1) -> str:
    """A well-formed Ed25519 key."""
    kind = b"ssh-ed25519"
    data = struct.pack(">I", len(kind)) + kind + struct.pack(">I", 32) + Random(seed).randbytes(32)
    return f"{kind.decode()} {base64.b64encode(data).decode()} {comment}"


def plain(system: str) -> Installation:
    """The least that can be asked for."""
    account = Account("dev", password="secret") if system in WINDOWS else Account("dev", password_hash=PASSWORD_HASH)
    return Installation("vm1", account, Medium(VERSIONS[system][-1]))


def _full_names(system: str) -> st.SearchStrategy[str]:
    return LINE if system in WINDOWS else LINE.map(_without_separators).filter(bool)


def installations(system: str) -> st.SearchStrategy[Installation]:
    """Whatever may be asked for of this system."""
    windows = system in WINDOWS
    interpreters: list[Interpreter] = ["powershell", "cmd"] if windows else ["sh", "bash", "python3"]
    passwords = st.text(_TEXT, min_size=1, max_size=127).filter(lambda text: len(text.encode("utf-16-le")) <= 254)
    identifiers = st.uuids().map(str)
    applications = st.lists(
        st.builds(Application, identifiers, st.lists(LINE, min_size=1, max_size=3).map(tuple)), max_size=3
    )
    scripts = st.lists(st.builds(Script, identifiers, BODY, st.sampled_from(interpreters)), max_size=3)
    return st.builds(
        replace,
        st.just(plain(system)),
        host_name=st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True),
        account=st.builds(
            Account,
            st.from_regex(
                r"[a-z][a-z0-9_-]{3,19}" if system == "debian" else r"[a-z_][a-z0-9_-]{3,19}", fullmatch=True
            ).filter(lambda name: not username_problems(name, OPERATING_SYSTEMS[system].family)),
            st.none() | _full_names(system),
            password_hash=st.none() if windows else st.just(PASSWORD_HASH),
            password=passwords if windows else st.none(),
        ),
        medium=st.sampled_from([medium for version in VERSIONS[system] for medium in media(system, version)]),
        firmware=st.sampled_from(["efi"] if system == "windows11" else ["efi", "bios"]),
        locale=st.sampled_from(["en_US", "de_DE", "pt_BR", "ja_JP"]),
        keyboard=st.sampled_from([Keyboard(), Keyboard("de"), Keyboard("ch", "fr"), Keyboard("jp")]),
        time_zone=st.sampled_from(sorted(filter(None, tz_win))),
        network=st.sampled_from([None, _NETWORK]),
        packages=st.just(()) if windows else st.lists(st.sampled_from(["curl", "git", "vim"]), max_size=2).map(tuple),
        applications=applications.map(tuple),
        scripts=scripts.map(tuple),
        ssh_keys=st.just(())
        if windows
        else st.lists(st.builds(ssh_key, LINE, st.integers(1, 99)), max_size=2).map(tuple),
        mirror=st.sampled_from([None, "http://mirror.example.com:8080/linux"]),
    ).filter(lambda made: made.account.name != computer_name(made.host_name))


def media(system: str, version: str) -> list[Medium]:
    """The media that a version comes on."""
    if system in WINDOWS:
        return [Medium(version), Medium(version, images=IMAGES), Medium(version, images=IMAGES[2:])]
    if system == "ubuntu" and version >= "23.04":
        return [Medium(version, "ubuntu-server"), Medium(version, "ubuntu-desktop-minimal"), Medium(version)]
    return [Medium(version)]


def varied(system: str, number: int) -> list[Installation]:
    """Requests that differ in all that can differ, the same at each call; versions take turns."""
    random = Random(f"{system} {number}")
    return [_varied(system, random, position) for position in range(number)]


def _varied(system: str, random: Random, position: int) -> Installation:
    windows = system in WINDOWS
    nasty = _NASTY[position % len(_NASTY)]
    password = "".join(random.choices("aZ0 \"'&<>$%é😀", k=random.choice([1, 12, 90])))
    interpreters: list[Interpreter] = ["powershell", "cmd"] if windows else ["sh", "bash", "python3"]
    versions = VERSIONS[system]
    full_name = nasty if windows else _without_separators(nasty)
    return Installation(
        host_name=f"{random.choice(['web', 'build-server-number', '7', 'a'])}-{position}",
        account=Account(
            random.choice(["dev", "an_admin" if system == "debian" else "_admin", "j-doe2"]),
            random.choice([None, full_name, full_name]),
            password_hash=None if windows else PASSWORD_HASH,
            password=password if windows else None,
        ),
        medium=random.choice(media(system, versions[position % len(versions)])),
        firmware="efi" if system == "windows11" else random.choice(["efi", "bios"]),
        locale=random.choice(["en_US", "de_DE", "pt_BR", "zh_CN"]),
        keyboard=random.choice([Keyboard(), Keyboard("de"), Keyboard("ch", "fr"), Keyboard("gb")]),
        time_zone=random.choice(sorted(filter(None, tz_win))),
        network=random.choice([None, _NETWORK]),
        packages=() if windows else tuple(random.sample(["curl", "git", "vim"], random.randint(0, 3))),
        applications=tuple(
            Application(f"app-{n}", (f"echo {nasty}", "true"), () if windows else ("htop",))
            for n in range(random.randint(0, 3))
        ),
        scripts=tuple(
            Script(f"script-{n}", f"# {nasty}\nexit {n}\n", random.choice(interpreters))
            for n in range(random.randint(0, 3))
        ),
        ssh_keys=() if windows else tuple(ssh_key(nasty, n) for n in range(random.randint(0, 2))),
        mirror=random.choice([None, "http://mirror.example.com/linux", "https://mirror.example.com"]),
    )


def _without_separators(name: str) -> str:
    return "".join(character for character in name if character not in ":,=\\").strip()

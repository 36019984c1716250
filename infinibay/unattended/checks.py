"""What is wrong with an installation, before any file is written: the rules that all systems or all Linuxes share."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import unicodedata
from collections import Counter
from collections.abc import Iterable

from tzlocal.windows_tz import tz_win

from infinibay.core.operating_systems import Family
from infinibay.core.sizing import username_problems
from infinibay.errors import FieldProblem
from infinibay.unattended.installation import Installation, StaticNetwork
from infinibay.unattended.keyboards import LAYOUTS
from infinibay.unattended.names import HOST_NAME
from infinibay.unattended.password_hash import is_password_hash

_FULL_NAME_LENGTH = 100
# The field of the account database ends at a colon, the tools that write it refuse comma and equals sign, and a
# backslash at its end would join a preseed line with the next.
_FULL_NAME_FORBIDDEN = frozenset(":,=\\")
_SSH_KEY_LENGTH = 8192
_LOCALE = re.compile(r"[a-z]{2,3}_[A-Z]{2}")
_VARIANT = re.compile(r"([a-z0-9_-]{1,32})?")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MIRROR = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~+-]*)*")
# What packages are called by those who install with apt, and with dnf.
DEB_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}(:[a-z0-9]{2,10})?(=[A-Za-z0-9.+~:-]{1,64})?")
RPM_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,127}")
_LINUX_INTERPRETERS = frozenset({"sh", "bash", "python3"})
_SSH_KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)


def common_problems(installation: Installation, family: Family) -> list[FieldProblem]:
    """The rules of every system."""
    return [
        *username_problems(installation.account.name, family),
        *_full_name_problems(installation.account.full_name),
        *_place_problems(installation),
        *([] if installation.network is None else _network_problems(installation.network)),
        *_work_problems(installation),
        *_plumbing_problems(installation),
    ]


def linux_problems(installation: Installation, family: Family, package: re.Pattern[str]) -> list[FieldProblem]:
    """The rules of every Linux; `package` is what its packages are called."""
    account = installation.account
    problems = common_problems(installation, family)
    if account.password_hash is None or not is_password_hash(account.password_hash):
        problems.append(FieldProblem("password", "The password must be given as a SHA-512 or yescrypt hash"))
    if not _FULL_NAME_FORBIDDEN.isdisjoint(account.full_name or ""):
        problems.append(FieldProblem("fullName", "The full name must not have any of : , = \\"))
    problems += [
        FieldProblem("firstBootScripts", f"Script {script.id}: Linux has no {script.interpreter}")
        for script in installation.scripts
        if script.interpreter not in _LINUX_INTERPRETERS
    ]
    problems += _package_problems("packages", installation.packages, package)
    for application in installation.applications:
        problems += _package_problems("applications", application.packages, package)
    problems += [problem for key in installation.ssh_keys if (problem := _ssh_key_problem(key)) is not None]
    return problems


def _full_name_problems(full_name: str | None) -> list[FieldProblem]:
    if full_name is None:
        return []
    if not full_name.strip() or full_name != full_name.strip() or len(full_name) > _FULL_NAME_LENGTH:
        return [FieldProblem("fullName", f"The full name must have 1 to {_FULL_NAME_LENGTH} characters, none a margin")]
    if not _on_one_line(full_name):
        return [FieldProblem("fullName", "The full name must not have control characters")]
    return []


def _place_problems(installation: Installation) -> list[FieldProblem]:
    keyboard = installation.keyboard
    problems = []
    if not _LOCALE.fullmatch(installation.locale):
        problems.append(FieldProblem("locale", "The locale must look like en_US"))
    if keyboard.layout not in LAYOUTS or not _VARIANT.fullmatch(keyboard.variant):
        problems.append(FieldProblem("keyboard", f"The keyboard must be one of {', '.join(sorted(LAYOUTS))}"))
    if not installation.time_zone or installation.time_zone not in tz_win:  # Its table knows the empty name.
        problems.append(FieldProblem("timezone", "The time zone must look like Europe/Berlin"))
    if not HOST_NAME.fullmatch(installation.host_name) or installation.host_name == "localhost":
        problems.append(
            FieldProblem("hostname", "The host name must have 1 to 63 of a-z, 0-9 and -, and begin and end without -")
        )
    return problems


def _network_problems(network: StaticNetwork) -> list[FieldProblem]:
    problems = []
    if network.gateway not in network.address.network:
        problems.append(FieldProblem("network", "The gateway must lie in the network of the address"))
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", network.mac_address):
        problems.append(FieldProblem("network", "The MAC address must look like 52:54:00:12:34:56"))
    return problems


def _work_problems(installation: Installation) -> list[FieldProblem]:
    problems = [
        *_identifier_problems("applications", (application.id for application in installation.applications)),
        *_identifier_problems("firstBootScripts", (script.id for script in installation.scripts)),
    ]
    for application in installation.applications:
        if not application.commands and not application.packages:
            problems.append(
                FieldProblem("applications", f"Application {application.id} has no command for this system")
            )
        problems += _text_problems("applications", f"Application {application.id}", application.commands)
    for script in installation.scripts:
        problems += _text_problems("firstBootScripts", f"Script {script.id}", [script.body])
    return problems


def _identifier_problems(field: str, identifiers: Iterable[str]) -> list[FieldProblem]:
    return [
        FieldProblem(field, "An id is given twice" if times > 1 else "An id has 1 to 64 of A-Z, a-z, 0-9, ., _ and -")
        for identifier, times in Counter(identifiers).items()
        if times > 1 or not _IDENTIFIER.fullmatch(identifier)
    ]


def _text_problems(field: str, what: str, texts: Iterable[str]) -> list[FieldProblem]:
    return [
        FieldProblem(field, f"{what} must not hold NUL or half characters")
        for text in texts
        if any(character == "\0" or unicodedata.category(character) == "Cs" for character in text)
    ]


def _plumbing_problems(installation: Installation) -> list[FieldProblem]:
    problems = []
    if not _IDENTIFIER.fullmatch(installation.report_port):
        problems.append(FieldProblem("reportPort", "The port's name has 1 to 64 of A-Z, a-z, 0-9, ., _ and -"))
    if installation.mirror is not None and not _MIRROR.fullmatch(installation.mirror):
        problems.append(FieldProblem("mirror", "The mirror must look like http://mirror.example.com/path"))
    return problems


def _package_problems(field: str, packages: Iterable[str], pattern: re.Pattern[str]) -> list[FieldProblem]:
    return [
        FieldProblem(field, f"{name[:80]!r} is no name of a package")
        for name in packages
        if not pattern.fullmatch(name)
    ]


def _ssh_key_problem(key: str) -> FieldProblem | None:
    """Like a line of `authorized_keys` without options: a type, its data, which names the type again, a comment."""
    kind, _, rest = key.partition(" ")
    data = rest.partition(" ")[0]
    if kind in _SSH_KEY_TYPES and len(key) <= _SSH_KEY_LENGTH and _on_one_line(key) and _names_type(data, kind):
        return None
    return FieldProblem("sshKeys", "An SSH key must be one line as in a .pub file, like: ssh-ed25519 AAAA… comment")


def _names_type(data: str, kind: str) -> bool:
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return decoded.startswith(struct.pack(">I", len(kind)) + kind.encode()) and len(decoded) > len(kind) + 4


def _on_one_line(text: str) -> bool:
    return not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)

"""What a machine may be called and how large it may be: pure checks that name the fields of the interface."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from infinibay.core.operating_systems import Family, OperatingSystem
from infinibay.errors import FieldProblem

NAME_LENGTH = 100
PASSWORD_LENGTH = 128
# More virtual CPUs need an emulated IOMMU, which our machines do not have.
MOST_CORES = 255
MOST_RAM_GB = 4096
MOST_DISK_GB = 65536
DESCRIPTION_LENGTH = 1000
MOST_TEMPLATE_CORES = 64
MOST_TEMPLATE_RAM_GB = 512
MOST_TEMPLATE_DISK_GB = 1024

_LINUX_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_WINDOWS_USER_LENGTH = 20
_WINDOWS_USER_FORBIDDEN = frozenset('"/\\[]:;|=,+*?<>@')
# Accounts that each Windows has; an installer that makes one of them again fails.
_WINDOWS_USERS = frozenset({"administrator", "guest", "defaultaccount", "wdagutilityaccount", "system", "none"})
# Accounts and groups that a Linux has before its user is made, who gets a group of the same name: those of Debian's
# base-passwd, those of Red Hat's setup, and what systemd and the packages of every installation add.
_LINUX_NAMES = (
    "_apt adm audio backup bin cdrom daemon dialout dip disk fax floppy games gnats irc kmem list lp mail man "
    "news nobody nogroup operator plugdev proxy root sasl shadow src staff sudo sync sys tape tty users utmp uucp "
    "video voice www-data ftp halt lock mem shutdown utempter wheel clock input kvm render sgx systemd-coredump "
    "systemd-journal systemd-journal-remote systemd-network systemd-oom systemd-resolve systemd-timesync _chrony "
    "_ssh chrony crontab dbus landscape lxd messagebus netdev polkitd pollinate rpc rpcuser ssh ssh_keys sshd "
    "ssl-cert sssd syslog tcpdump tss unbound uuidd"
)
_LINUX_USERS = frozenset(_LINUX_NAMES.split())
_PRODUCT_KEY = re.compile(r"[A-Za-z0-9]{5}(-[A-Za-z0-9]{5}){4}")


@dataclass(frozen=True)
class HostLimits:
    """What the host has. `max_vcpus` is the most that a machine gets; None is the space of a pool that is missing."""

    max_vcpus: int
    host_cpus: int
    host_memory_gb: int
    pool_available_gb: int | None


@dataclass(frozen=True)
class Verdict:
    """What forbids a machine on a host, and what only speaks against it."""

    problems: tuple[FieldProblem, ...]
    warnings: tuple[str, ...]


def name_problems(field: str, name: str) -> list[FieldProblem]:
    """A name of a machine, department or template: 1 to 100 characters when trimmed, on one line."""
    trimmed = name.strip()
    if not trimmed:
        return [FieldProblem(field, "The name must not be empty")]
    if len(trimmed) > NAME_LENGTH:
        return [FieldProblem(field, f"The name must have at most {NAME_LENGTH} characters, not {len(trimmed)}")]
    if _has_control_characters(trimmed):
        return [FieldProblem(field, "The name must not have control characters")]
    return []


def username_problems(username: str, family: Family) -> list[FieldProblem]:
    """The account that the installer makes, by the rules of its system."""
    message = _windows_user_problem(username) if family is Family.WINDOWS else _linux_user_problem(username)
    return [] if message is None else [FieldProblem("username", message)]


def password_problems(password: str) -> list[FieldProblem]:
    """1 to 128 characters on one line."""
    if not 1 <= len(password) <= PASSWORD_LENGTH:
        return [FieldProblem("password", f"The password must have 1 to {PASSWORD_LENGTH} characters")]
    if _has_control_characters(password):
        return [FieldProblem("password", "The password must not have control characters")]
    return []


def product_key_problems(product_key: str) -> list[FieldProblem]:
    """Five groups of five letters and digits."""
    if _PRODUCT_KEY.fullmatch(product_key):
        return []
    return [FieldProblem("productKey", "The product key must look like XXXXX-XXXXX-XXXXX-XXXXX-XXXXX")]


def size_problems(cores: int, ram_gb: int, disk_gb: int) -> list[FieldProblem]:
    """Sizes that no host could give."""
    sizes = (
        ("customCores", "cores", cores, MOST_CORES),
        ("customRam", "GB of RAM", ram_gb, MOST_RAM_GB),
        ("customStorage", "GB of disk", disk_gb, MOST_DISK_GB),
    )
    return [
        FieldProblem(field, f"A machine has 1 to {most} {unit}, not {value}")
        for field, unit, value, most in sizes
        if not 1 <= value <= most
    ]


def template_size_problems(cores: int, ram_gb: int, storage_gb: int) -> list[FieldProblem]:
    """Sizes that a template may not have."""
    sizes = (
        ("cores", "Cores", cores, MOST_TEMPLATE_CORES),
        ("ram", "RAM", ram_gb, MOST_TEMPLATE_RAM_GB),
        ("storage", "Storage", storage_gb, MOST_TEMPLATE_DISK_GB),
    )
    return [
        FieldProblem(field, f"{title} must be between 1 and {most}")
        for field, title, value, most in sizes
        if not 1 <= value <= most
    ]


def description_problems(field: str, description: str) -> list[FieldProblem]:
    """A description of a template or category: at most 1000 characters when trimmed, on any number of lines."""
    length = len(description.strip())
    if length > DESCRIPTION_LENGTH:
        return [FieldProblem(field, f"The description must have at most {DESCRIPTION_LENGTH} characters, not {length}")]
    return []


def host_verdict(
    *, cores: int, ram_gb: int, disk_gb: int, system: OperatingSystem, limits: HostLimits, from_template: bool = False
) -> Verdict:
    """Compares sizes with the system's needs and the host; problems of a template's sizes are laid to `templateId`."""
    problems = [
        FieldProblem("templateId" if from_template else field, message)
        for field, message in (
            ("customCores", _cores_problem(cores, limits)),
            ("customRam", _ram_problem(ram_gb, system, limits)),
            ("customStorage", _disk_problem(disk_gb, system)),
        )
        if message is not None
    ]
    return Verdict(tuple(problems), tuple(_warnings(cores, ram_gb, disk_gb, limits)))


def _cores_problem(cores: int, limits: HostLimits) -> str | None:
    most = min(limits.max_vcpus, MOST_CORES)
    return None if cores <= most else f"This host's hypervisor gives a machine at most {most} cores, not {cores}"


def _ram_problem(ram_gb: int, system: OperatingSystem, limits: HostLimits) -> str | None:
    if ram_gb < system.least_ram_gb:
        return f"{system.title} needs at least {system.least_ram_gb} GB of RAM, not {ram_gb}"
    if ram_gb > limits.host_memory_gb:
        return f"This host has {limits.host_memory_gb} GB of RAM, less than {ram_gb}"
    return None


def _disk_problem(disk_gb: int, system: OperatingSystem) -> str | None:
    if disk_gb < system.least_disk_gb:
        return f"{system.title} needs a disk of at least {system.least_disk_gb} GB, not {disk_gb}"
    return None


def _warnings(cores: int, ram_gb: int, disk_gb: int, limits: HostLimits) -> list[str]:
    warnings = []
    if limits.host_cpus < cores <= limits.max_vcpus:
        warnings.append(
            f"{cores} cores are more than the {limits.host_cpus} CPUs of this host: the machine will be slow"
        )
    if limits.host_memory_gb * 4 < ram_gb * 5 and ram_gb <= limits.host_memory_gb:
        warnings.append(f"{ram_gb} GB of RAM is nearly all of the {limits.host_memory_gb} GB of this host")
    if limits.pool_available_gb is not None and disk_gb > limits.pool_available_gb:
        warnings.append(
            f"The disk may grow to {disk_gb} GB, and the storage pool has {limits.pool_available_gb} GB left"
        )
    return warnings


def _linux_user_problem(username: str) -> str | None:
    if not _LINUX_USER.fullmatch(username):
        return "The username must have 1 to 32 characters of a-z, 0-9, _ and -, and start with a letter or _"
    if username in _LINUX_USERS:
        return f"The username {username} belongs to the system"
    return None


def _windows_user_problem(username: str) -> str | None:
    if not 1 <= len(username) <= _WINDOWS_USER_LENGTH:
        return f"The username must have 1 to {_WINDOWS_USER_LENGTH} characters"
    if _has_control_characters(username) or not _WINDOWS_USER_FORBIDDEN.isdisjoint(username):
        return 'The username must not have control characters or any of " / \\ [ ] : ; | = , + * ? < > @'
    if not username.strip(". "):
        return "The username must not consist of dots and spaces alone"
    if username.endswith(".") or username != username.strip():
        return "The username must not end with a dot, nor begin or end with a space"
    if username.casefold() in _WINDOWS_USERS:
        return f"The username {username} belongs to Windows"
    return None


def _has_control_characters(text: str) -> bool:
    """Also line and paragraph separators, lone surrogates and non-characters, which no file or XML can carry."""
    return any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or ord(c) & 0xFFFE == 0xFFFE for c in text)

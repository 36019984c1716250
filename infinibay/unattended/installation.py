"""What an installation is to become, in the same words for each system."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from typing import Literal

Firmware = Literal["efi", "bios"]
Interpreter = Literal["sh", "bash", "python3", "powershell", "cmd"]

REPORT_PORT = "org.infinibay.setup.0"


@dataclass(frozen=True)
class Account:
    """The administrator of the new system; `repr` leaves the secrets out.

    Linux takes `password_hash` (see `password_hash.linux_password_hash`) and never the password; Windows knows no
    hash and takes `password`.
    """

    name: str
    full_name: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Keyboard:
    """A layout and its variant as X names them: `de` and `nodeadkeys`."""

    layout: str = "us"
    variant: str = ""


@dataclass(frozen=True)
class StaticNetwork:
    """A fixed IPv4 address for the interface with this MAC address."""

    mac_address: str
    address: IPv4Interface
    gateway: IPv4Address
    name_servers: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True)
class Application:
    """One application by the commands that install it (in the shell of its system, or PowerShell), or by packages."""

    id: str
    commands: tuple[str, ...] = field(default=(), repr=False)
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Script:
    """A script that runs once, after the applications; what it holds may be secret."""

    id: str
    body: str = field(repr=False)
    interpreter: Interpreter


@dataclass(frozen=True)
class WindowsImage:
    """One edition on a Windows medium: its index, its (translated) name, its EDITIONID and its default language."""

    index: int
    name: str
    edition: str
    language: str = "en-US"


@dataclass(frozen=True)
class Medium:
    """What the installation medium is, as far as the answers depend on it.

    `version` is the system's own (`24.04`, `41`, `9.4`, `12.5`). `variant` is Ubuntu's id of what is installed
    (`ubuntu-server`, `ubuntu-desktop-minimal`), None for the medium's default. `has_packages` is False for a medium
    that fetches everything from a mirror. `images` are the editions of a Windows medium, empty when nobody looked.
    """

    version: str
    variant: str | None = None
    has_packages: bool = True
    images: tuple[WindowsImage, ...] = ()


@dataclass(frozen=True)
class ReportHome:
    """Where a guest without the port reports over HTTP: the URL, and the token that names its machine."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Installation:
    """Everything that an answer file says; secrets never show in `repr`.

    `host_name` is one DNS label. `locale` is `en_US`, `time_zone` an IANA name. No `network` is DHCP. `mirror` is the
    URL of a package mirror near the machine. `report_port` names the virtio-serial port that carries the reports
    (see `reports`), `report_home` where they go when there is no such port.
    """

    host_name: str
    account: Account
    medium: Medium
    firmware: Firmware = "efi"
    locale: str = "en_US"
    keyboard: Keyboard = Keyboard()
    time_zone: str = "Etc/UTC"
    network: StaticNetwork | None = None
    packages: tuple[str, ...] = ()
    applications: tuple[Application, ...] = ()
    scripts: tuple[Script, ...] = ()
    ssh_keys: tuple[str, ...] = ()
    edition: str | None = None
    product_key: str | None = field(default=None, repr=False)
    mirror: str | None = None
    report_port: str = REPORT_PORT
    report_home: ReportHome | None = None

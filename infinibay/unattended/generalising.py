"""How each family takes out of a system what is one machine's alone, so that the next start makes it anew."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from infinibay.core.operating_systems import OperatingSystem
from infinibay.unattended.templates import template

_MINUTE = 60


@dataclass(frozen=True)
class Refusal:
    """Why a system could not be generalised, and what its owner can do."""

    message: str
    remedy: str


@dataclass(frozen=True)
class Generalising:
    """A program of the running system with its arguments; how many seconds it has at most, and the system then to power
    off. `refusals` are the exit statuses that mean something; what it says on its error output is the reason."""

    program: str
    arguments: tuple[str, ...]
    seconds: int
    off_seconds: int
    refusals: Mapping[int, Refusal]


def generalising(system: OperatingSystem) -> Generalising:
    """That of the system."""
    return _WINDOWS if system.is_windows else _LINUX


def _encoded(script: str) -> str:
    """The form in which Windows PowerShell takes a whole script as one argument."""
    return base64.b64encode(script.encode("utf-16-le")).decode()


_LINUX = Generalising(
    program="/bin/sh",
    arguments=("-c", template("generalise.sh")),
    seconds=2 * _MINUTE,
    off_seconds=2 * _MINUTE,
    refusals=MappingProxyType(
        {
            20: Refusal(
                "The machine has no cloud-init, which gives a machine from an image its name and account",
                "Install cloud-init in the machine, or clone it instead",
            )
        }
    ),
)
_BLOCKED = "Remove the apps that one user alone has from the Store, turn BitLocker off, let updates end, and try again"
_WINDOWS = Generalising(
    program="powershell.exe",
    # Without the text format, Windows PowerShell writes XML to an error output that is no console.
    arguments=(
        *("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-OutputFormat", "Text"),
        *("-EncodedCommand", _encoded(template("generalise.ps1"))),
    ),
    seconds=35 * _MINUTE,
    off_seconds=15 * _MINUTE,
    refusals=MappingProxyType(
        {
            21: Refusal("Sysprep refused to make the copied system fit for others", _BLOCKED),
            22: Refusal(
                "Sysprep did not end in the copied system",
                "Look whether the machine installs updates, let them end, and try again",
            ),
        }
    ),
)

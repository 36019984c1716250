"""Which systems an application can be installed on, and by which of its commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infinibay.core.operating_systems import OPERATING_SYSTEMS, Family, OperatingSystem
from infinibay.core.parameters import COMMAND_PLACE, Parameter, unknown_places
from infinibay.core.shell_quoting import LITERAL, literal_places
from infinibay.errors import FieldProblem

MOST_COMMANDS = 50
_FAMILIES = frozenset({Family.WINDOWS.value, Family.REDHAT.value})
# What `os` and `installCommand` may name: each system, and the families whose systems take the same commands.
WORDS = frozenset(OPERATING_SYSTEMS) | _FAMILIES
_LISTED = ", ".join(sorted(WORDS))


def is_offered(os: Sequence[str], system: OperatingSystem) -> bool:
    """Whether an application that is for these may be installed on the system."""
    return system.name in os or (system.family.value in _FAMILIES and system.family.value in os)


def commands_for(install_command: Mapping[str, Any], system: OperatingSystem) -> tuple[str, ...]:
    """The commands for the system, from the most particular key; empty when there are none.

    Debian does not fall back to Ubuntu's. The relatives of Fedora do, since they have the same package manager, and
    the words of clients that only know windows, ubuntu and fedora reach them so.
    """
    keys = [system.name]
    if system.family.value in _FAMILIES:
        keys.append(system.family.value)
    if system.family is Family.REDHAT:
        keys.append("fedora")
    found = next((install_command[key] for key in keys if key in install_command), ())
    return (found,) if isinstance(found, str) else tuple(found)


def os_problems(os: Sequence[str]) -> list[FieldProblem]:
    """At least one known word, none twice."""
    if not os or not WORDS.issuperset(os) or len(set(os)) < len(os):
        return [FieldProblem("os", f"The systems must be some of {_LISTED}, each once")]
    return []


def command_problems(
    os: Sequence[str], install_command: Mapping[str, Any], parameters: Sequence[Parameter]
) -> list[FieldProblem]:
    """Each value is a command or a list of commands; every system of `os` has some, and no place is without value."""
    messages = [
        message for word, commands in install_command.items() for message in _messages(word, commands, parameters)
    ]
    if not messages:
        messages = [
            f"There is no command for {system.title}"
            for system in OPERATING_SYSTEMS.values()
            if is_offered(os, system) and not commands_for(install_command, system)
        ]
    return [FieldProblem("installCommand", message) for message in messages]


def _messages(word: str, commands: Any, parameters: Sequence[Parameter]) -> list[str]:
    if word not in WORDS:
        return [f"The commands must be for some of {_LISTED}"]
    texts = [commands] if isinstance(commands, str) else commands
    if not isinstance(texts, list) or not 1 <= len(texts) <= MOST_COMMANDS:
        return [f"What installs it on {word} must be a command, or 1 to {MOST_COMMANDS} of them"]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        return [f"Each command for {word} must be a text that is not empty"]
    unknown = sorted({name for text in texts for name in unknown_places(text, COMMAND_PLACE, parameters)})
    if unknown:
        return [f"The command for {word} has a place for {name[:80]}, which is no parameter" for name in unknown]
    if word.startswith(Family.WINDOWS.value):
        return []
    literal = sorted({name for text in texts for name in literal_places(text, COMMAND_PLACE)})
    return [f"The command for {word} has a place for {name} {LITERAL}" for name in literal]

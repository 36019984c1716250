"""Which command installs an application on which system."""

from __future__ import annotations

from typing import Any

import pytest

from infinibay.core.applications import command_problems, commands_for, is_offered, os_problems
from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.core.parameters import Parameter
from infinibay.core.shell_quoting import LITERAL


@pytest.mark.parametrize(
    ("commands", "system", "chosen"),
    [
        ({"windows": "w"}, "windows10", ("w",)),
        ({"windows": "w"}, "windows11", ("w",)),
        ({"windows": "w", "windows11": ["a", "b"]}, "windows11", ("a", "b")),
        ({"windows11": "a"}, "windows10", ()),
        ({"ubuntu": "u"}, "ubuntu", ("u",)),
        ({"ubuntu": "u"}, "debian", ()),
        ({"debian": "d", "ubuntu": "u"}, "debian", ("d",)),
        ({"fedora": "f"}, "fedora", ("f",)),
        ({"redhat": "r"}, "fedora", ("r",)),
        ({"fedora": "f"}, "rocky", ("f",)),
        ({"fedora": "f", "redhat": "r"}, "alma", ("r",)),
        ({"fedora": "f", "redhat": "r", "rhel": "l"}, "rhel", ("l",)),
        ({"windows": "w", "ubuntu": "u"}, "rhel", ()),
    ],
)
def test_the_most_particular_command_is_taken(commands: dict[str, Any], system: str, chosen: tuple[str, ...]) -> None:
    assert commands_for(commands, OPERATING_SYSTEMS[system]) == chosen


def test_an_application_is_for_systems_or_families() -> None:
    offered = {
        words: sorted(name for name, system in OPERATING_SYSTEMS.items() if is_offered(words.split(), system))
        for words in ("windows", "redhat ubuntu", "rocky", "")
    }
    assert offered == {
        "windows": ["windows10", "windows11"],
        "redhat ubuntu": ["alma", "fedora", "rhel", "rocky", "ubuntu"],
        "rocky": ["rocky"],
        "": [],
    }


@pytest.mark.parametrize("os", [[], ["beos"], ["ubuntu", "ubuntu"], ["Ubuntu"], ["ubuntu", ""]])
def test_the_systems_are_known_words(os: list[str]) -> None:
    assert [problem.field for problem in os_problems(os)] == ["os"]


@pytest.mark.parametrize(
    ("os", "commands", "message"),
    [
        (["ubuntu", "debian"], {"ubuntu": "x"}, "There is no command for Debian"),
        (["windows"], {"windows10": "x"}, "There is no command for Windows 11"),
        (["ubuntu"], {"ubuntu": " "}, "Each command for ubuntu must be a text that is not empty"),
        (["ubuntu"], {"ubuntu": ["a", ""]}, "Each command for ubuntu must be a text that is not empty"),
        (["ubuntu"], {"ubuntu": ["a", 1]}, "Each command for ubuntu must be a text that is not empty"),
        (["ubuntu"], {"ubuntu": []}, "What installs it on ubuntu must be a command, or 1 to 50 of them"),
        (["ubuntu"], {"ubuntu": ["a"] * 51}, "What installs it on ubuntu must be a command, or 1 to 50 of them"),
        (["ubuntu"], {"ubuntu": {"a": "b"}}, "What installs it on ubuntu must be a command, or 1 to 50 of them"),
        (["ubuntu"], {"ubuntu": None}, "What installs it on ubuntu must be a command, or 1 to 50 of them"),
        (["ubuntu"], {"ubuntu": "{{b}}"}, "The command for ubuntu has a place for b, which is no parameter"),
        (["ubuntu"], {"ubuntu": ["true", "x '{{a}}'"]}, f"The command for ubuntu has a place for a {LITERAL}"),
    ],
)
def test_a_wrong_command_is_explained(os: list[str], commands: dict[str, Any], message: str) -> None:
    (problem,) = command_problems(os, commands, [Parameter("a", "A")])
    assert (problem.field, problem.message) == ("installCommand", message)


def test_commands_are_for_known_words() -> None:
    (problem,) = command_problems(["ubuntu"], {"beos": "x", "ubuntu": "x"}, [])
    assert problem.message.startswith("The commands must be for some of alma, debian,")


def test_what_can_be_installed_has_no_problem() -> None:
    commands = {"windows": ["winget install '{{ a }}'", "exit 0"], "fedora": "dnf install '{{.x}}' {{a}}"}
    assert command_problems(["windows", "redhat"], commands, [Parameter("a", "A")]) == []

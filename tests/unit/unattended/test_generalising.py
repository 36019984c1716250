"""What runs in the copy of a system, before other machines begin with it."""

from __future__ import annotations

import base64
import re
import subprocess

import pytest

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.unattended.generalising import generalising
from infinibay.unattended.templates import template
from tests.support.powershell import grammar, walk

# What Windows takes for a whole command line.
_LONGEST_COMMAND = 32767
# The folders where Windows looks for answers or keeps them, and what it calls them there.
_ANSWER_COPIES = (
    "'Panther'",
    "'Panther\\Unattend'",
    "'System32\\Sysprep'",
    "'unattend.xml'",
    "'unattend-original.xml'",
)


def _script() -> bytes:
    return template("generalise.ps1").encode("ascii")


@pytest.mark.parametrize("system", ["windows10", "windows11"])
def test_windows_is_given_the_script_as_one_argument(system: str) -> None:
    way = generalising(OPERATING_SYSTEMS[system])

    *options, encoded = way.arguments
    assert options[-1] == "-EncodedCommand"
    assert base64.b64decode(encoded).decode("utf-16-le").encode("ascii") == _script()
    assert len(" ".join((way.program, *way.arguments))) < _LONGEST_COMMAND


def test_the_script_is_powershell_and_ends_as_is_understood() -> None:
    root, way = grammar(_script()), generalising(OPERATING_SYSTEMS["windows11"])

    ends = [(node.text or b"").decode() for node in walk(root) if node.type == "flow_control_statement"]
    codes = {int(end.removeprefix("exit ")) for end in ends if end.startswith("exit ")}
    assert codes == {0, *way.refusals}
    assert b"'/generalize', '/oobe', '/quit', '/quiet'" in _script()


def test_the_script_ends_before_one_stops_waiting_for_it() -> None:
    way = generalising(OPERATING_SYSTEMS["windows11"])

    found = {name: int(value) for name, _, value in (line.partition(" = ") for line in _lines()) if value.isdigit()}
    assert found["$patience"] + found["$grace"] < way.seconds


def test_what_would_win_over_later_answers_is_removed_before_sysprep_runs() -> None:
    """In the order of Microsoft's search: the registry, the two folders, the one of sysprep itself."""
    before, _, after = _script().decode().partition("Start-Process")
    for place in ("-LiteralPath 'HKLM:\\SYSTEM\\Setup' -Name UnattendFile", *_ANSWER_COPIES):
        assert place in before
        assert place not in after


def test_the_first_logon_and_the_copy_s_script_remove_the_same_copies_of_the_answers() -> None:
    """Windows 11 keeps one as it was given, which has the password and the product key."""
    for name in ("first_logon.ps1", "generalise.ps1"):
        (loops,) = re.findall(r"foreach \(\$place in (.*)\) \{\n +foreach \(\$name in (.*)\) \{", template(name))
        assert ", ".join(loops) == ", ".join(_ANSWER_COPIES)


@pytest.mark.parametrize("system", ["ubuntu", "fedora", "debian"])
def test_linux_is_given_a_script_of_its_shell(system: str) -> None:
    way = generalising(OPERATING_SYSTEMS[system])

    checked = subprocess.run([way.program, "-n", *way.arguments], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert set(way.refusals) == {20}


def _lines() -> list[str]:
    return _script().decode().splitlines()

"""What the README and docs/ say is true: each command is run by a test, and each name in them exists."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields

import click
import pytest
from graphql import parse, validate

from infinibay.cli import main
from infinibay.settings import Settings
from tests.architecture.test_errors import CODES
from tests.support.documents import ROOT, Block, block, blocks, commands, declared, pages, runs
from tests.support.interface import SCHEMA
from tests.system import test_commands, test_proxies, test_service_live

TWO_COMMANDS = "scripts/test     # the same preparation"
APOLLO = {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "OPERATION_RESOLUTION_FAILURE", "BAD_REQUEST"}


def runnable() -> list[Block]:
    return [one for one in blocks() if one.language != "graphql"]


def test_each_block_is_run_by_one_test() -> None:
    marks = declared(test_commands, test_proxies, test_service_live, sys.modules[__name__])
    assert sorted(str(block(mark)) for mark in marks) == sorted(map(str, runnable()))


def test_what_runs_is_written_for_a_program_that_tests_start() -> None:
    assert {one.language for one in runnable()} == {"sh", "js", "nginx", "caddyfile"}


@runs(TWO_COMMANDS)
def test_the_two_commands_are_run() -> None:
    """A test can't run the run that it is part of: the second command is what every change has to pass, and so what
    started this test; the first is that of another block, which is run."""
    start, test = (line.partition("#")[0].strip() for line in block(TWO_COMMANDS).code.splitlines())
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == f'exec "$(dirname "${{BASH_SOURCE[0]}}")/../{test}"'
    assert block("sudo scripts/start").code == f"sudo {start}\n"


@pytest.mark.parametrize("one", blocks("sh"), ids=str)
def test_each_command_is_written_in_the_shell_s_grammar(one: Block) -> None:
    checked = subprocess.run(["bash", "-n"], input=one.code, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("one", blocks("graphql"), ids=str)
def test_each_document_fits_the_schema(one: Block) -> None:
    assert validate(SCHEMA, parse(one.code)) == []


def test_each_command_named_in_passing_exists() -> None:
    named = commands("scripts/infinibay ")
    assert {words[0] for words in named} == set(main.commands)
    for words in named:
        command: click.Command = main
        for word in words:
            if word.startswith("--"):
                assert word in [name for option in command.params for name in option.opts], words
            elif isinstance(command, click.Group):
                command = command.commands[word]
    scripts = {name for text in pages().values() for name in re.findall(r"scripts/([a-z-]+)", text)}
    assert [name for name in scripts if not (ROOT / "scripts" / name).exists()] == []


def test_every_setting_is_in_the_table() -> None:
    table = pages()["docs/operators.md"].partition("\n## Settings\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert sorted(named) == sorted(field.name.upper() for field in fields(Settings))


def test_every_error_code_is_in_the_table() -> None:
    table = pages()["docs/api.md"].partition("\n## Errors\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)` \| \d", table, re.MULTILINE)) == CODES | APOLLO


def test_every_link_leads_somewhere() -> None:
    broken = []
    for file, text in pages().items():
        for path, _, heading in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]*))?\)", text):
            target = (ROOT / file).parent / path if path else ROOT / file
            if not target.is_file() or (heading and heading not in _headings(target.read_text())):
                broken.append((file, path, heading))
    assert broken == []


def _headings(text: str) -> set[str]:
    """As a reader of Markdown names them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}

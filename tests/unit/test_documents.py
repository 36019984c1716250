"""What the README and docs/ say is true: each command is run by a test, and each name in them exists."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields

import click
import pytest
from graphql import parse, validate

from infinibay.cli import main
from infinibay.settings import Settings
from tests.architecture.test_errors import CODES
from tests.support.documents import ROOT, Block, block, blocks, commands, declared, pages
from tests.support.interface import SCHEMA
from tests.system import test_commands

# The blocks that no test runs, by a text in them, with the reason.
NOT_RUN = {
    "scripts/test     # the same preparation": "that is what runs this test; scripts/start is run by the next block",
    "sudo scripts/infinibay uninstall": "systemd does not run everywhere; test_service does it below another root",
    "git pull": "it would change what is being tested; its other commands are run by themselves",
}
APOLLO = {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "OPERATION_RESOLUTION_FAILURE", "BAD_REQUEST"}


def runnable() -> list[Block]:
    return [one for one in blocks() if one.language != "graphql"]


def test_each_block_is_run_by_one_test_or_listed_with_a_reason() -> None:
    marks = [*declared(test_commands), *NOT_RUN]
    covered = [block(mark) for mark in marks]
    assert sorted(map(str, covered)) == sorted(map(str, runnable()))


def test_what_runs_is_written_for_the_shell_or_node() -> None:
    assert {one.language for one in runnable()} == {"sh", "js"}


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

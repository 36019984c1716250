"""The README and the pages of docs/: their blocks of code, and the commands that they name in passing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# Blocks of these show data, or what another program looks at later: nothing in them is run.
_DATA = {"", "text", "json", "yaml", "promql"}
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block without its indentation; `line` is the one of its first line of code."""

    file: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def pages() -> dict[str, str]:
    """The texts by their file's name."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {str(file.relative_to(ROOT)): file.read_text() for file in files}


def blocks(*languages: str) -> list[Block]:
    """Those of the languages, or all that could be run."""
    found = [
        Block(
            file,
            text.count("\n", 0, match.start(3)) + 1,
            match[2],
            re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE),
        )
        for file, text in pages().items()
        for match in _BLOCK.finditer(text)
    ]
    return [block for block in found if (block.language in languages if languages else block.language not in _DATA)]


def block(mark: str) -> Block:
    """The one block that holds the text."""
    found = [one for one in blocks() if mark in one.code]
    assert len(found) == 1, f"{mark!r} stands in {[str(one) for one in found]}"
    return found[0]


def runs(*marks: str) -> pytest.MarkDecorator:
    """Declares that a test runs the blocks that hold these texts; the fixture `page` holds it to that."""
    return pytest.mark.documents(*marks)


def declared(*modules: Any) -> list[str]:
    """What the tests of modules say that they run."""
    marked = [mark for module in modules for test in vars(module).values() for mark in getattr(test, "pytestmark", [])]
    return [text for mark in marked if mark.name == "documents" for text in mark.args]


class Page:
    """Hands out blocks, each once, and knows which nobody took."""

    def __init__(self, wanted: list[str]) -> None:
        self._unread = list(wanted)

    def read(self, mark: str) -> str:
        """The code of a block that the test has declared."""
        self._unread.remove(mark)
        return block(mark).code

    def done(self) -> None:
        assert self._unread == [], "a test declares blocks that it does not run"


def adapted(code: str, changes: Mapping[str, str]) -> str:
    """The code with other paths and addresses in place of the page's."""
    for old, new in changes.items():
        assert old in code, f"the page has no {old!r} any more"
        code = code.replace(old, new)
    return code


def shell(code: str, changes: Mapping[str, str], environment: Mapping[str, str], folder: Path = ROOT) -> str:
    """What the code prints, adapted, and without sudo."""
    script = adapted(code.replace("sudo ", ""), changes)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def commands(program: str) -> set[tuple[str, ...]]:
    """How the pages call a program of ours in passing: its words, without placeholders and brackets."""
    found = set()
    for text in pages().values():
        for call in re.findall(rf"`{re.escape(program)}([^`]*)`", text):
            words = (word.strip("[]") for word in call.replace("\\|", "|").split())
            found.add(tuple(word for word in words if _is_written(word)))
    return found


def _is_written(word: str) -> bool:
    """Whether a word is typed as it stands there."""
    return re.fullmatch(r"(--)?[a-z][a-z-]*", word) is not None

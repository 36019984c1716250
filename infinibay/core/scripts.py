"""What a script is written in, and where that runs."""

from __future__ import annotations

from enum import StrEnum

from infinibay.core.operating_systems import OperatingSystem
from infinibay.errors import FieldProblem

MOST_TAGS = 20
LONGEST_WORD = 100


class Shell(StrEnum):
    """The languages of scripts, as in their content."""

    BASH = "bash"
    SH = "sh"
    PYTHON3 = "python3"
    POWERSHELL = "powershell"
    CMD = "cmd"

    @property
    def is_windows(self) -> bool:
        return self in {Shell.POWERSHELL, Shell.CMD}

    @property
    def takes_values(self) -> bool:
        """A batch file has no way to hold any value: its quotes end at each percent sign and line end."""
        return self is not Shell.CMD

    def runs_on(self, system: OperatingSystem) -> bool:
        return self.is_windows == system.is_windows


def label_problems(category: str | None, tags: list[str]) -> list[FieldProblem]:
    """A category and tags are short words on one line."""
    problems = []
    if category is not None and not _is_word(category):
        problems.append(FieldProblem("category", f"The category must have 1 to {LONGEST_WORD} printable characters"))
    if len(tags) > MOST_TAGS or not all(_is_word(tag) for tag in tags):
        problems.append(
            FieldProblem("tags", f"There are at most {MOST_TAGS} tags of 1 to {LONGEST_WORD} printable characters")
        )
    return problems


def _is_word(text: str) -> bool:
    return 1 <= len(text) <= LONGEST_WORD and text.isprintable() and text == text.strip()

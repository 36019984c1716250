"""Reads answer files as their installers do."""

from __future__ import annotations

import base64
import gzip
import io
import re
import shlex
import tarfile
from dataclasses import dataclass


@dataclass(frozen=True)
class Unpacked:
    """One entry of an archive. `target` is that of a link."""

    mode: int
    content: bytes
    target: str


def unpacked(archive: bytes) -> dict[str, Unpacked]:
    """The entries by path; everything belongs to root."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as opened:
        entries = opened.getmembers()
        assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries} == {(0, 0, "root", "root")}
        return {
            entry.name: Unpacked(
                entry.mode, file.read() if (file := _file(opened, entry)) is not None else b"", entry.linkname
            )
            for entry in entries
        }


def _file(opened: tarfile.TarFile, entry: tarfile.TarInfo) -> io.BufferedIOBase | None:
    return opened.extractfile(entry) if entry.isfile() else None  # type: ignore[return-value]


@dataclass(frozen=True)
class Kickstart:
    """Commands as words, by pykickstart's own way to split a line, and sections as their texts by their first line."""

    commands: list[list[str]]
    sections: dict[str, str]

    def options(self, command: str) -> dict[str, str]:
        """The options of the one command with this name."""
        (words,) = [words for words in self.commands if words[0] == command]
        return {
            name: value for word in words[1:] if word.startswith("--") for name, _, value in [word[2:].partition("=")]
        }


def read_kickstart(text: bytes) -> Kickstart:
    commands, sections = [], {}
    lines = iter(text.decode().split("\n"))
    for line in lines:
        if line.startswith("%"):
            body = []
            while (inner := next(lines)) != "%end":
                body.append(inner)
            sections[line] = "\n".join(body)
        elif words := shlex.split(line, comments=True):
            commands.append(words)
    return Kickstart(commands, sections)


def kickstart_archive(kickstart: Kickstart) -> bytes:
    """The archive that the script after the installation unpacks."""
    (body,) = [body for head, body in kickstart.sections.items() if head.startswith("%post")]
    found = re.search(r"<<'ARCHIVE' \| tar -xz -C /\n(.*?)\nARCHIVE\n", body, re.DOTALL)
    assert found is not None
    return base64.b64decode(found[1])


def read_preseed(text: bytes) -> dict[str, tuple[str, str, str]]:
    """Owner, type and value by question: one blank ends the type, and the rest of the line is the value."""
    answers = {}
    for line in text.decode().rstrip("\n").split("\n"):
        owner, question, kind, *value = line.split(" ", 3)
        assert question not in answers
        answers[question] = (owner, kind, value[0] if value else "")
    return answers

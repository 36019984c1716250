"""What the first logon of a new Windows does, as files beside the answer file.

The script is the same for all; what differs is data that it reads (`plan.json`) and programs that it starts, so no
value is ever part of its text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from infinibay.unattended.installation import Application, Installation, Script
from infinibay.unattended.reports import Event, TaskKind
from infinibay.unattended.templates import template

_FOLDER = "infinibay"
# A program ends with one of the latter two when it wants the restart that follows all tasks anyway.
_SUCCESSES = "0, 1641, 3010"


@dataclass(frozen=True)
class _Task:
    kind: TaskKind
    id: str
    file: str
    content: bytes


def first_logon_files(installation: Installation, *, begins: Event, brings_tools: bool) -> dict[str, bytes]:
    """The script, its plan and the programs of the tasks, by their path on the medium.

    `begins` is what the first report says; `brings_tools`: a drive holds the guest tools, which are installed first.
    """
    tasks, home = _tasks(installation), installation.report_home
    plan = {
        "port": installation.report_port,
        "begins": begins,
        "tools": brings_tools,
        **({"url": home.url, "token": home.token} if home else {}),
        "tasks": [{"kind": task.kind, "id": task.id, "file": task.file} for task in tasks],
    }
    return {
        f"{_FOLDER}/setup.ps1": template("first_logon.ps1").replace("\n", "\r\n").encode("ascii"),
        f"{_FOLDER}/plan.json": json.dumps(plan, indent=1).encode("ascii"),
        **{f"{_FOLDER}/{task.file}": task.content for task in tasks},
    }


def _tasks(installation: Installation) -> list[_Task]:
    work: list[Application | Script] = [*installation.applications, *installation.scripts]
    return [_task(number, piece) for number, piece in enumerate(work, 1)]


def _task(number: int, piece: Application | Script) -> _Task:
    if isinstance(piece, Application):
        return _Task("application", piece.id, f"task{number:03}.ps1", _powershell(_application(piece)))
    if piece.interpreter == "powershell":
        return _Task("script", piece.id, f"task{number:03}.ps1", _powershell(piece.body))
    return _Task("script", piece.id, f"task{number:03}.cmd", _lines(piece.body).encode())


def _application(application: Application) -> str:
    """Ends at the first command that fails, with its exit status."""
    check = f"if ($LASTEXITCODE -notin {_SUCCESSES}) {{ exit $LASTEXITCODE }}"
    lines = ["$ErrorActionPreference = 'Stop'", "$global:LASTEXITCODE = 0"]
    for command in application.commands:
        lines += [command, check]
    return "\n".join((*lines, "exit 0", ""))


def _powershell(text: str) -> bytes:
    """With a byte order mark, without which Windows PowerShell takes the text for one of the old code pages."""
    return _lines(text).encode("utf-8-sig")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")

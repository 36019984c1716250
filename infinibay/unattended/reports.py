"""What a guest says of its installation: lines of JSON on its report port.

At each report the guest sends all of them so far again, so that a host which did not listen misses none; whoever
reads them takes each once and the first of two that contradict each other. What a guest says is not to be trusted
with more than its own state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

Event = Literal["started", "installed", "task", "finished", "failed"]
TaskKind = Literal["access", "agent", "packages", "application", "script"]

MOST_LINE_BYTES = 1024
# The task was cut off, by a restart for instance, and is not run again.
INTERRUPTED = -1


@dataclass(frozen=True)
class Report:
    """One report. A `task` has its kind, id and exit status; the others have none of them.

    `started` and `installed` (or `failed`) come from the installer, `task` and `finished` from the new system.
    """

    event: Event
    kind: TaskKind | None = None
    id: str | None = None
    status: int | None = None


def report_line(event: Event) -> str:
    """The line of a report that is no task's, without its end."""
    return json.dumps({"event": event}, separators=(",", ":"))


def read_report(line: bytes) -> Report | None:
    """The report in a line; None for anything else."""
    if len(line) > MOST_LINE_BYTES:
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    if said.get("event") == "task":
        return _task(said)
    return next((Report(event) for event in get_args(Event) if said.get("event") == event), None)


def _task(said: dict[str, Any]) -> Report | None:
    kind, identifier, status = said.get("kind"), said.get("id"), said.get("status")
    if kind not in get_args(TaskKind) or not isinstance(identifier, str) or type(status) is not int:
        return None
    return Report("task", kind, identifier, status)


def patience(event: Event) -> int:
    """For how many seconds a guest tries to tell of it where the host does not listen: the last word of an installer is
    worth a restart of the server."""
    return 300 if event in ("installed", "failed") else 5

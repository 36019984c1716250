"""Commands in a guest, run by its agent."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from tests.support.wait import until_sync


def guest_output(ask: Callable[..., Any], command: str, seconds: float) -> str:
    """What a command of the guest's shell prints. `ask(execute, **arguments)` is the agent. TimeoutError."""

    def ended() -> dict[str, Any] | None:
        status: dict[str, Any] = ask("guest-exec-status", pid=process)
        return status if status["exited"] else None

    asked = {"path": "/bin/sh", "arg": ["-c", command], "capture-output": True}
    process = ask("guest-exec", **asked)["pid"]
    return base64.b64decode(until_sync(ended, seconds, command).get("out-data", "")).decode()

"""The running copy of a machine's system, as its agent lets it be spoken to."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from infinibay.errors import AgentUnresponsive, HostFailure, HypervisorError, OperationCancelled, Unavailable
from infinibay.operations.api import StepContext
from infinibay.unattended.generalising import Generalising
from infinibay.virt.api import Guests

_LOOK_SECONDS = 1.0
_MOST_SAID = 500
_PING = json.dumps({"execute": "guest-ping"})


class CopiedSystem:
    """One domain's agent. Each wait ends with OperationCancelled when somebody asks for the operation's end."""

    def __init__(self, guests: Guests, context: StepContext, domain: str) -> None:
        self._guests = guests
        self._context = context
        self._domain = domain

    async def until_answers(self, seconds: float) -> None:
        """Raises HostFailure when it does not within these seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                await self._guests.agent_command(self._domain, _PING)
            except AgentUnresponsive:
                await pause(self._context)
            else:
                return
        raise HostFailure(
            f"The agent of the copied system did not answer within {seconds:.0f} s",
            remedy="Install qemu-guest-agent in the machine and see that it starts",
        )

    async def forget_itself(self, way: Generalising) -> None:
        """Takes out of it what is one machine's alone. Raises HostFailure when that can't be."""
        arguments = {"path": way.program, "arg": list(way.arguments), "capture-output": True}
        started = await self._ask("guest-exec", arguments)
        end = time.monotonic() + way.seconds
        while time.monotonic() < end:
            status = await self._ask("guest-exec-status", {"pid": started["pid"]})
            if status.get("exited"):
                _judge(status, way)
                return
            await pause(self._context)
        raise HostFailure(f"The copied system was not made fit for others within {way.seconds} s")

    async def _ask(self, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        text = json.dumps({"execute": command, "arguments": arguments})
        try:
            answer = json.loads(await self._guests.agent_command(self._domain, text))
        except Unavailable:
            raise
        except HypervisorError as error:
            remedy = "Let the machine's qemu-guest-agent run commands (guest-exec), which some systems forbid"
            raise HostFailure(f"The agent of the copied system refused: {error.message}", remedy=remedy) from error
        returned = answer.get("return")
        if not isinstance(returned, dict):
            raise HostFailure("The agent of the copied system does not speak as one")
        return returned

    async def power_off(self) -> None:
        """Returns at once."""
        with suppress(HypervisorError):  # It may go before it has answered.
            await self._guests.agent_command(self._domain, json.dumps({"execute": "guest-shutdown"}))


async def pause(context: StepContext) -> None:
    """A moment, before one looks again. Raises OperationCancelled."""
    if await context.cancelled():
        raise OperationCancelled
    await asyncio.sleep(_LOOK_SECONDS)


def _judge(status: Mapping[str, Any], way: Generalising) -> None:
    """Raises HostFailure unless the program ended well."""
    code = status.get("exitcode")
    if code == 0:
        return
    said = _text(status.get("err-data")).strip()
    refusal = way.refusals.get(code) if isinstance(code, int) else None
    if refusal is None:
        raise HostFailure(
            f"The copied system could not be made fit for others: {said or f'its script ended with {code}'}"
        )
    raise HostFailure(f"{refusal.message}: {said}" if said else refusal.message, remedy=refusal.remedy)


def _text(data: object) -> str:
    """The end of what a guest said in base64, which nobody has checked."""
    try:
        return base64.b64decode(str(data or "")).decode(errors="replace")[-_MOST_SAID:]
    except ValueError:
        return ""

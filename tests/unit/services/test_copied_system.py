"""A system that is asked to forget itself, and what its answers mean."""

from __future__ import annotations

import base64
import json
from typing import Any
from unittest.mock import AsyncMock

import pytest

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.errors import AgentUnresponsive, HostFailure, HypervisorRefused, OperationCancelled
from infinibay.operations.api import StepContext
from infinibay.services.images import copied_system
from infinibay.services.images.copied_system import CopiedSystem
from infinibay.unattended.generalising import generalising
from infinibay.virt.api import Guests

_DOMAIN = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"
_LOG = "Package Example was installed for a user, but not provisioned for all users."


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied_system, "_LOOK_SECONDS", 0.0)


def _context(*, cancelled: bool = False) -> AsyncMock:
    context = AsyncMock(spec=StepContext)
    context.cancelled.return_value = cancelled
    return context


def _guests(*answers: dict[str, Any] | Exception) -> AsyncMock:
    """Its agent's answers, one after the other."""
    guests = AsyncMock(spec=Guests)
    guests.agent_command.side_effect = [
        one if isinstance(one, Exception) else json.dumps({"return": one}) for one in ({"pid": 7}, *answers)
    ]
    return guests


def _ended(code: int, said: bytes = b"") -> dict[str, Any]:
    return {"exited": True, "exitcode": code, "err-data": base64.b64encode(said).decode()}


async def _asked(system: str, guests: AsyncMock, context: AsyncMock | None = None) -> None:
    way = generalising(OPERATING_SYSTEMS[system])
    await CopiedSystem(guests, context or _context(), _DOMAIN).forget_itself(way)


@pytest.mark.parametrize(("system", "program"), [("ubuntu", "/bin/sh"), ("windows11", "powershell.exe")])
async def test_its_own_program_is_run_and_waited_for(system: str, program: str) -> None:
    guests = _guests({"exited": False}, _ended(0))

    await _asked(system, guests)

    begun, *looks = [json.loads(call.args[1]) for call in guests.agent_command.await_args_list]
    assert (begun["execute"], begun["arguments"]["path"]) == ("guest-exec", program)
    assert looks == [{"execute": "guest-exec-status", "arguments": {"pid": 7}}] * 2


@pytest.mark.parametrize(
    ("system", "code", "said", "message", "remedy"),
    [
        ("ubuntu", 20, "", "The machine has no cloud-init, which gives", "Install cloud-init"),
        ("ubuntu", 1, "read-only", "The copied system could not be made fit for others: read-only", None),
        ("ubuntu", 21, "", "The copied system could not be made fit for others: its script ended with 21", None),
        ("windows10", 21, _LOG, f"Sysprep refused to make the copied system fit for others: {_LOG}", "BitLocker"),
        ("windows10", 21, "", "Sysprep refused to make the copied system fit for others", "BitLocker"),
        ("windows11", 22, "", "Sysprep did not end in the copied system", "updates"),
        ("windows11", 1, "no drive", "The copied system could not be made fit for others: no drive", None),
    ],
)
async def test_what_its_end_means(system: str, code: int, said: str, message: str, remedy: str | None) -> None:
    with pytest.raises(HostFailure) as raised:
        await _asked(system, _guests(_ended(code, said.encode())))

    assert raised.value.message.startswith(message)
    assert (remedy or "") in (raised.value.remedy or "")
    assert (raised.value.remedy is None) == (remedy is None)


async def test_only_the_end_of_a_long_reason_is_told_and_what_is_no_text_is_replaced() -> None:
    with pytest.raises(HostFailure) as raised:
        await _asked("windows10", _guests(_ended(21, b"x" * 100_000 + b"\xff the end")))

    assert raised.value.message.endswith("\ufffd the end")
    assert len(raised.value.message) < 600


async def test_an_agent_that_runs_nothing_is_told_of() -> None:
    guests = AsyncMock(spec=Guests)
    guests.agent_command.side_effect = HypervisorRefused("guest-exec has been disabled")

    with pytest.raises(HostFailure, match="guest-exec has been disabled") as raised:
        await _asked("windows10", guests)
    assert "guest-exec" in (raised.value.remedy or "")


async def test_whoever_cancels_need_not_wait_for_sysprep() -> None:
    with pytest.raises(OperationCancelled):
        await _asked("windows11", _guests({"exited": False}), _context(cancelled=True))


async def test_a_system_that_goes_before_it_answers_is_off() -> None:
    guests = AsyncMock(spec=Guests)
    guests.agent_command.side_effect = AgentUnresponsive()

    await CopiedSystem(guests, _context(), _DOMAIN).power_off()

    assert json.loads(guests.agent_command.await_args.args[1]) == {"execute": "guest-shutdown"}

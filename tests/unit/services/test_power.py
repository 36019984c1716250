"""What the verbs of power say of a machine that is paused, has crashed or can't go on: what is so, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from infinibay.errors import HostFailure, WrongState
from infinibay.operations.api import StepContext
from infinibay.services.machines import power
from infinibay.services.machines.power import PowerVerbs
from infinibay.virt.api import DomainChanged, DomainInfo, DomainState, HypervisorEvent

_MACHINE = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"
_FULL = "paused by a disk error: look at the free space and the access of its disks"
_OFF_SECONDS = 30


def _is(state: DomainState, **more: Any) -> DomainInfo:
    return DomainInfo(_MACHINE, _MACHINE, state, **more)


RUNNING, PAUSED, OFF = _is(DomainState.RUNNING), _is(DomainState.PAUSED), _is(DomainState.SHUTOFF)
PANICKED, DIED = _is(DomainState.CRASHED), _is(DomainState.CRASHED, died=True)
KVM_FAILED = _is(DomainState.CRASHED, broken=True)
STALLED = _is(DomainState.PAUSED, stalled=True, reason=_FULL)


class Host:
    """A hypervisor with one domain; `then` is what becomes of it after each of these calls, at once or a little later.

    `done` are the calls that libvirt would carry out.
    """

    def __init__(self, now: DomainInfo, **then: DomainInfo) -> None:
        self.now, self.then = now, then
        self.done: list[str] = []
        self.stalls_later = False
        self._events: asyncio.Queue[HypervisorEvent] = asyncio.Queue()

    @property
    def domains(self) -> Host:
        return self

    async def find(self, _uuid: str) -> DomainInfo:
        return self.now

    async def start(self, _uuid: str) -> None:
        self._carry_out("start", self.now.is_off, RUNNING)

    async def destroy(self, _uuid: str) -> None:
        self._carry_out("destroy", not self.now.is_off, OFF)

    async def shutdown(self, _uuid: str) -> None:
        self._carry_out("shutdown", self.now.state is DomainState.RUNNING, OFF)

    async def resume(self, _uuid: str) -> None:
        self._carry_out("resume", self.now.state is DomainState.PAUSED, RUNNING)
        if self.stalls_later:
            asyncio.get_running_loop().call_soon(self._become, STALLED)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[HypervisorEvent]]:
        yield self._stream()

    async def _stream(self) -> AsyncIterator[HypervisorEvent]:
        while True:
            yield await self._events.get()

    def _carry_out(self, call: str, is_possible: bool, outcome: DomainInfo) -> None:
        if not is_possible:
            raise WrongState("Requested operation is not valid")
        self.done.append(call)
        self._become(self.then.get(call, outcome))

    def _become(self, now: DomainInfo) -> None:
        self.now = now
        self._events.put_nowait(DomainChanged(_MACHINE, "changed"))


async def _does(host: Host, verb: str, **values: Any) -> Mapping[str, Any]:
    """The result of all steps of a verb."""
    kinds = {kind.name: kind for kind in PowerVerbs(cast("Any", host), AsyncMock(), AsyncMock(), _OFF_SECONDS).kinds()}
    context = AsyncMock(spec=StepContext, machine_id=_MACHINE, input=values)
    context.cancelled.return_value = False
    result: dict[str, Any] = {}
    for step in kinds[verb].steps:
        result |= await step.run(context) or {}
    return result


@pytest.mark.parametrize(
    ("now", "message", "done"),
    [
        (OFF, "Machine is already powered off", []),
        (DIED, "Machine had crashed and is off", []),
        (RUNNING, "Machine powered off", ["shutdown"]),
        (PAUSED, "The guest is paused and can't power off; its power was cut", ["destroy"]),
        (PANICKED, "The guest has crashed; its power was cut", ["destroy"]),
        (KVM_FAILED, "The guest has crashed; its power was cut", ["destroy"]),
    ],
)
async def test_power_off_tells_what_it_met(now: DomainInfo, message: str, done: list[str]) -> None:
    host = Host(now)
    assert await _does(host, "power_off") == {"message": message}
    assert host.done == done
    assert host.now.is_off


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (PAUSED, "The guest is paused and can't power off; resume it first"),
        (PANICKED, "The guest has crashed; only forcePowerOff ends it"),
        (KVM_FAILED, "The guest has crashed; only forcePowerOff ends it"),
    ],
)
async def test_power_off_without_force_leaves_it_as_it_is(now: DomainInfo, message: str) -> None:
    host = Host(now)
    with pytest.raises(WrongState, match=message):
        await _does(host, "power_off", force=False)
    assert (host.done, host.now) == ([], now)


async def test_what_has_died_is_off_without_force() -> None:
    assert await _does(Host(DIED), "power_off", force=False) == {"message": "Machine had crashed and is off"}


async def test_a_guest_that_panics_while_it_powers_off_keeps_no_memory() -> None:
    host = Host(RUNNING, shutdown=PANICKED)
    assert await _does(host, "power_off") == {"message": "The guest has crashed; its power was cut"}
    assert host.done == ["shutdown", "destroy"]

    host = Host(RUNNING, shutdown=PANICKED)
    with pytest.raises(WrongState, match="The guest has crashed; only forcePowerOff ends it"):
        await _does(host, "power_off", force=False)


async def test_a_qemu_that_dies_while_its_guest_powers_off_was_not_cut() -> None:
    host = Host(RUNNING, shutdown=DIED)
    assert await _does(host, "power_off") == {"message": "Machine had crashed and is off"}
    assert host.done == ["shutdown"]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (OFF, {}),
        (DIED, {}),
        (RUNNING, {}),
        (PAUSED, {"before": "The guest is paused and can't power off; its power was cut"}),
        (PANICKED, {"before": "The guest has crashed; its power was cut"}),
    ],
)
async def test_restart_tells_a_cut(now: DomainInfo, before: dict[str, str]) -> None:
    host = Host(now)
    assert await _does(host, "restart") == {**before, "message": "Machine running"}
    assert host.now == RUNNING


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (OFF, "Machine is already powered off"),
        (DIED, "Machine had crashed and is off"),
        (PANICKED, "Machine forcefully powered off"),
    ],
)
async def test_forced_power_off_tells_what_it_met(now: DomainInfo, message: str) -> None:
    host = Host(now)
    assert await _does(host, "force_power_off") == {"message": message}
    assert host.now.is_off


@pytest.mark.parametrize("verb", ["power_on", "resume"])
@pytest.mark.parametrize("later", [False, True])
async def test_a_guest_that_a_full_disk_stops_again_does_not_run(verb: str, later: bool) -> None:
    host = Host(STALLED) if later else Host(STALLED, resume=STALLED)
    host.stalls_later = later
    with pytest.raises(HostFailure, match=f"The guest can't go on: {_FULL}"):
        await _does(host, verb)
    assert host.done == ["resume"]


@pytest.mark.parametrize(("verb", "message"), [("power_on", "Machine running"), ("resume", "Machine resumed")])
@pytest.mark.parametrize("now", [PAUSED, STALLED])
async def test_a_paused_guest_goes_on(
    now: DomainInfo, verb: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "_STALL_SECONDS", 0.05)
    host = Host(now)
    assert await _does(host, verb) == {"message": message}
    assert (host.done, host.now) == (["resume"], RUNNING)

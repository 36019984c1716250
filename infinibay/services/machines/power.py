"""The verbs that change what a machine's domain does, each a kind of durable operation.

Every step looks first, acts, and reports in `message` what really happened; it may run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from infinibay.errors import HostFailure, ObjectMissing, OperationCancelled, WrongState
from infinibay.operations.api import Failure, OperationKind, Step, StepContext
from infinibay.services.machines.definition import Definition
from infinibay.services.machines.starting import bring_up
from infinibay.services.machines.status import StatusKeeper
from infinibay.virt.api import DomainChanged, DomainInfo, DomainState, Hypervisor

Result = Mapping[str, Any]
_LOOK_SECONDS = 1.0
_ASK_AGAIN_SECONDS = 5.0
# A full disk stops a guest again within milliseconds; a slow host gets a little longer.
_STALL_SECONDS = 2.0
_CUT = "; its power was cut"


class PowerVerbs:
    """Builds the kinds power_on, power_off, force_power_off, suspend, resume, restart, reboot and reset."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        definition: Definition,
        keeper: StatusKeeper,
        power_off_seconds: int,
    ) -> None:
        self._hypervisor = hypervisor
        self._definition = definition
        self._keeper = keeper
        self._power_off_seconds = power_off_seconds

    def kinds(self) -> tuple[OperationKind, ...]:
        """The table of this module's kinds."""
        prepare = Step("prepare", self._prepare)
        start = Step("start", self._start, budget="start")
        return (
            self._kind("power_on", prepare, start),
            self._kind("power_off", Step("shutdown", self._shutdown)),
            self._kind("force_power_off", Step("destroy", self._force_off), preempts=True),
            self._kind("suspend", Step("suspend", self._suspend)),
            self._kind("resume", Step("resume", self._resume)),
            self._kind("restart", Step("shutdown", self._shut_down_first), prepare, start),
            self._kind("reboot", Step("reboot", self._reboot)),
            self._kind("reset", Step("reset", self._reset)),
        )

    def _kind(self, name: str, *steps: Step, preempts: bool = False) -> OperationKind:
        return OperationKind(name, steps, ended=self._ended, preempts=preempts)

    async def _ended(self, context: StepContext, _failure: Failure | None) -> None:
        await self._keeper.observe(_machine(context), context.operation_id)

    async def _domain(self, context: StepContext) -> DomainInfo:
        domain = await self._hypervisor.domains.find(_machine(context))
        if domain is None:
            raise ObjectMissing("The hypervisor does not know this machine; powerOn defines it again")
        return domain

    async def _prepare(self, context: StepContext) -> Result | None:
        """Filters and definition are verified before every start, not only before the first."""
        machine_id = _machine(context)
        domain = await self._hypervisor.domains.find(machine_id)
        if domain is not None and domain.state in (DomainState.RUNNING, DomainState.PAUSED) and not domain.broken:
            await self._definition.ensure_defined(machine_id)
            return None
        await self._definition.prepare_start(machine_id)
        return None

    async def _start(self, context: StepContext) -> Result:
        machine_id = _machine(context)
        domain = await self._domain(context)
        if domain.state is DomainState.CRASHED or domain.broken:
            with suppress(WrongState):
                await self._hypervisor.domains.destroy(machine_id)
        elif domain.state is DomainState.PAUSED:
            with suppress(WrongState):
                await self._let_go_on(domain)
        await bring_up(self._hypervisor.domains, machine_id)
        return {"message": "Machine running"}

    async def _let_go_on(self, domain: DomainInfo) -> None:
        """HostFailure with the pause's reason when a disk error stops the guest again at once."""
        now = asyncio.get_running_loop().time
        async with self._hypervisor.events() as stream:
            await self._hypervisor.domains.resume(domain.uuid)
            deadline = now() + (_STALL_SECONDS if domain.stalled else 0)
            while True:
                found, left = await self._hypervisor.domains.find(domain.uuid), deadline - now()
                if found is not None and found.stalled:
                    raise HostFailure(f"The guest can't go on: {found.reason}")
                if left <= 0:
                    return
                await _something_about(stream, domain.uuid, left)

    async def _shutdown(self, context: StepContext) -> Result:
        """Asks the guest, waits, and pulls the plug only where the caller allows it."""
        domain = await self._domain(context)
        if domain.is_off:
            return {"message": _already_off(domain)}
        found = await self._asked_to_stop(context) if domain.state is DomainState.RUNNING else domain
        if found is None or found.state is DomainState.SHUTOFF:
            return {"message": "Machine powered off"}
        if found.died:
            return {"message": _already_off(found)}
        obstacle, otherwise = _obstacle(found)
        if not context.input.get("force", True):
            raise WrongState(f"{obstacle}; {otherwise}")
        with suppress(WrongState):
            await self._hypervisor.domains.destroy(domain.uuid)
        return {"message": f"{obstacle}{_CUT}"}

    async def _shut_down_first(self, context: StepContext) -> Result | None:
        """The same before a start, whose message is the one that counts; only a cut is told with it."""
        told = (await self._shutdown(context))["message"]
        return {"before": told} if told.endswith(_CUT) else None

    async def _asked_to_stop(self, context: StepContext) -> DomainInfo | None:
        """Asks the guest until it is off or has crashed, or the time is over; the domain as it is then, None when it
        vanished. OperationCancelled when somebody asked for that. A guest that just boots does not hear the first
        request, so it is asked again."""
        machine_id, now = _machine(context), asyncio.get_running_loop().time
        deadline, next_request = now() + self._power_off_seconds, now()
        async with self._hypervisor.events() as stream:
            while True:
                domain, left = await self._hypervisor.domains.find(machine_id), deadline - now()
                if left <= 0 or domain is None or domain.state in (DomainState.SHUTOFF, DomainState.CRASHED):
                    return domain
                if await context.cancelled():
                    raise OperationCancelled
                if now() >= next_request:
                    with suppress(WrongState):
                        await self._hypervisor.domains.shutdown(machine_id)
                    next_request = now() + _ASK_AGAIN_SECONDS
                await _something_about(stream, machine_id, min(left, _LOOK_SECONDS))

    async def _force_off(self, context: StepContext) -> Result:
        machine_id = _machine(context)
        domain = await self._hypervisor.domains.find(machine_id)
        if domain is None or domain.is_off:
            return {"message": _already_off(domain)}
        with suppress(WrongState):
            await self._hypervisor.domains.destroy(machine_id)
        return {"message": "Machine forcefully powered off"}

    async def _suspend(self, context: StepContext) -> Result:
        domain = await self._domain(context)
        if domain.state is DomainState.PAUSED and not domain.broken:
            return {"message": "Machine is already suspended"}
        if domain.state is not DomainState.RUNNING:
            raise WrongState("Machine must be running to be suspended")
        await self._hypervisor.domains.suspend(_machine(context))
        return {"message": "Machine suspended"}

    async def _resume(self, context: StepContext) -> Result:
        domain = await self._domain(context)
        if domain.state is DomainState.RUNNING:
            return {"message": "Machine is already running"}
        if domain.state is not DomainState.PAUSED or domain.broken:
            raise WrongState("Machine must be suspended to be resumed")
        await self._let_go_on(domain)
        return {"message": "Machine resumed"}

    async def _reset(self, context: StepContext) -> Result:
        domain = await self._domain(context)
        if domain.state not in (DomainState.RUNNING, DomainState.PAUSED) or domain.broken:
            raise WrongState("Machine must be running to perform a reset")
        await self._hypervisor.domains.reset(_machine(context))
        return {"message": "Machine reset successfully"}

    async def _reboot(self, context: StepContext) -> Result:
        """Asks the guest to restart; one that does not listen is reset, as powerOff pulls the plug."""
        machine_id = _machine(context)
        domain = await self._domain(context)
        if domain.state is not DomainState.RUNNING or domain.broken:
            raise WrongState("Machine must be running to be rebooted")
        async with self._hypervisor.events() as stream:
            await self._hypervisor.domains.reboot(machine_id)
            deadline = asyncio.get_running_loop().time() + self._power_off_seconds
            while (left := deadline - asyncio.get_running_loop().time()) > 0:
                if await context.cancelled():
                    raise OperationCancelled
                if "rebooted" in await _something_about(stream, machine_id, min(left, _LOOK_SECONDS)):
                    return {"message": "Machine rebooted"}
        await self._hypervisor.domains.reset(machine_id)
        return {"message": "The guest did not restart in time; it was reset"}


def _already_off(domain: DomainInfo | None) -> str:
    return "Machine had crashed and is off" if domain is not None and domain.died else "Machine is already powered off"


def _obstacle(domain: DomainInfo) -> tuple[str, str]:
    """Why the guest has not powered off, and what that means where its power must not be cut."""
    match domain.state:
        case DomainState.CRASHED:
            return "The guest has crashed", "only forcePowerOff ends it"
        case DomainState.PAUSED:
            return "The guest is paused and can't power off", "resume it first"
        case _:
            return "The guest did not power off in time", "it runs on"


def _machine(context: StepContext) -> str:
    if context.machine_id is None:
        raise ValueError("this operation concerns a machine")
    return context.machine_id


async def _something_about(stream: Any, machine_id: str, seconds: float) -> str:
    """What the hypervisor next tells of the machine, or an empty text after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            async for event in stream:
                if isinstance(event, DomainChanged) and event.uuid == machine_id:
                    return event.detail
    except TimeoutError:
        pass
    return ""

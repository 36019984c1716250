"""Making, changing and driving machines."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import SuccessType, known_id
from infinibay.graphql.context import Info
from infinibay.graphql.machines.inputs import (
    CreateMachineInputType,
    UpdateMachineHardwareInput,
    UpdateMachineNameInput,
    UpdateMachineUserInput,
)
from infinibay.graphql.machines.types import CommandExecutionResponseType, Machine, relations_of
from infinibay.graphql.selection import selected


@strawberry.type
class MachineMutations:
    @strawberry.mutation
    async def create_machine(self, info: Info, input: CreateMachineInputType) -> Machine:
        """Makes a machine; it is `building` until its operation ended."""
        read = relations_of(selected(info))
        begun = await info.context.services.machines.create(info.context.caller, input.to_request(), read)
        return Machine.begun(info, begun)

    @strawberry.mutation
    async def clone_machine(self, info: Info, id: strawberry.ID, name: str, linked: bool = True) -> Machine:
        """Makes a machine that begins with the disk of a stopped one; linked, it holds only what differs from it."""
        cloning, read = info.context.services.cloning, relations_of(selected(info))
        machine_id = known_id(id)
        return Machine.begun(
            info, await cloning.clone(info.context.caller, machine_id, name, linked=linked, relations=read)
        )

    @strawberry.mutation
    async def retry_machine(self, info: Info, id: str, password: str | None = strawberry.UNSET) -> Machine:
        """Tries a failed creation again, from its kept input."""
        service, read = info.context.services.machines, relations_of(selected(info))
        return Machine.begun(info, await service.retry(info.context.caller, known_id(id), password or None, read))

    @strawberry.mutation
    async def update_machine_hardware(self, info: Info, input: UpdateMachineHardwareInput) -> Machine:
        """Changes cores, RAM (GB) or GPU."""
        changes, machine_id = info.context.services.machines.changes, known_id(input.id)
        return Machine.shown(info, await changes.update_hardware(info.context.caller, machine_id, input.to_changes()))

    @strawberry.mutation
    async def update_machine_name(self, info: Info, input: UpdateMachineNameInput) -> Machine:
        """Renames a machine."""
        changes = info.context.services.machines.changes
        return Machine.shown(info, await changes.rename(info.context.caller, known_id(input.id), input.name))

    @strawberry.mutation
    async def update_machine_user(self, info: Info, input: UpdateMachineUserInput) -> Machine:
        """Gives a machine to a user, or to nobody."""
        changes = info.context.services.machines.changes
        return Machine.shown(info, await changes.assign(info.context.caller, known_id(input.id), input.user_id or None))

    @strawberry.mutation
    async def move_machine(self, info: Info, id: str, department_id: str) -> Machine:
        """Gives a machine to another department, whose firewall rules it then inherits."""
        changes = info.context.services.machines.changes
        return Machine.shown(info, await changes.move(info.context.caller, known_id(id), department_id))

    @strawberry.mutation
    async def set_autostart(self, info: Info, id: str, enabled: bool) -> Machine:
        """Whether the machine starts after the host's restart."""
        changes = info.context.services.machines.changes
        return Machine.shown(info, await changes.set_autostart(info.context.caller, known_id(id), enabled))

    @strawberry.mutation
    async def execute_command(self, info: Info, id: str, command: str) -> CommandExecutionResponseType:
        """Runs a command in the guest."""
        outcome = await info.context.services.machines.execute_command(info.context.caller, known_id(id), command)
        return CommandExecutionResponseType.from_result(outcome)


@strawberry.type
class PowerMutations:
    @strawberry.mutation
    async def power_on(self, info: Info, id: str) -> SuccessType:
        """Starts a machine, or resumes a paused one."""
        return await _verb(info, id, "power_on")

    @strawberry.mutation
    async def power_off(self, info: Info, id: str, force: bool | None = True) -> SuccessType:
        """Asks the guest to power off; if it does not, it loses its power, or with `force: false` runs on."""
        return await _verb(info, id, "power_off", force=force is not False)

    @strawberry.mutation
    async def force_power_off(self, info: Info, id: str) -> SuccessType:
        """Pulls the plug."""
        return await _verb(info, id, "force_power_off")

    @strawberry.mutation
    async def suspend(self, info: Info, id: str) -> SuccessType:
        """Pauses a running machine."""
        return await _verb(info, id, "suspend")

    @strawberry.mutation
    async def resume_machine(self, info: Info, id: str) -> SuccessType:
        """Lets a paused machine run on."""
        return await _verb(info, id, "resume")

    @strawberry.mutation
    async def restart_machine(self, info: Info, id: str) -> SuccessType:
        """Powers off and starts again."""
        return await _verb(info, id, "restart")

    @strawberry.mutation
    async def reboot_machine(self, info: Info, id: str) -> SuccessType:
        """Asks the guest to restart."""
        return await _verb(info, id, "reboot")

    @strawberry.mutation
    async def reset_machine(self, info: Info, id: str) -> SuccessType:
        """Presses the reset button."""
        return await _verb(info, id, "reset")

    @strawberry.mutation
    async def destroy_machine(self, info: Info, id: str) -> SuccessType:
        """Removes a machine and everything that belongs to it."""
        return SuccessType.from_result(await info.context.services.machines.destroy(info.context.caller, known_id(id)))


async def _verb(info: Info, id: str, kind: str, **values: bool) -> SuccessType:
    outcome = await info.context.services.machines.verb(info.context.caller, known_id(id), kind, **values)
    return SuccessType.from_result(outcome)

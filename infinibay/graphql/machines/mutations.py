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
from infinibay.graphql.machines.types import CommandExecutionResponseType, Machine


@strawberry.type
class MachineMutations:
    @strawberry.mutation(description="Makes a machine; it is `building` until its operation ended.")
    async def create_machine(self, info: Info, input: CreateMachineInputType) -> Machine:
        return Machine.shown(info, await info.context.services.machines.create(info.context.caller, input.to_request()))

    @strawberry.mutation(description="Tries a failed creation again, from its kept input.")
    async def retry_machine(self, info: Info, id: str, password: str | None = strawberry.UNSET) -> Machine:
        machine_id = known_id(id)
        return Machine.shown(
            info, await info.context.services.machines.retry(info.context.caller, machine_id, password or None)
        )

    @strawberry.mutation(description="Changes cores, RAM (GB) or GPU.")
    async def update_machine_hardware(self, info: Info, input: UpdateMachineHardwareInput) -> Machine:
        changes, machine_id = info.context.services.machines.changes, known_id(input.id)
        return Machine.shown(info, await changes.update_hardware(info.context.caller, machine_id, input.to_changes()))

    @strawberry.mutation(description="Renames a machine.")
    async def update_machine_name(self, info: Info, input: UpdateMachineNameInput) -> Machine:
        changes = info.context.services.machines.changes
        return Machine.shown(info, await changes.rename(info.context.caller, known_id(input.id), input.name))

    @strawberry.mutation(description="Gives a machine to a user, or to nobody.")
    async def update_machine_user(self, info: Info, input: UpdateMachineUserInput) -> Machine:
        changes = info.context.services.machines.changes
        return Machine.shown(info, await changes.assign(info.context.caller, known_id(input.id), input.user_id or None))

    @strawberry.mutation(description="Gives a machine to another department, whose firewall rules it then inherits.")
    async def move_machine(self, info: Info, id: str, department_id: str) -> Machine:
        changes = info.context.services.machines.changes
        return Machine.shown(info, await changes.move(info.context.caller, known_id(id), department_id))

    @strawberry.mutation(description="Whether the machine starts after the host's restart.")
    async def set_autostart(self, info: Info, id: str, enabled: bool) -> Machine:
        changes = info.context.services.machines.changes
        return Machine.shown(info, await changes.set_autostart(info.context.caller, known_id(id), enabled))

    @strawberry.mutation(description="Runs a command in the guest.")
    async def execute_command(self, info: Info, id: str, command: str) -> CommandExecutionResponseType:
        outcome = await info.context.services.machines.execute_command(info.context.caller, known_id(id), command)
        return CommandExecutionResponseType.from_result(outcome)


@strawberry.type
class PowerMutations:
    @strawberry.mutation(description="Starts a machine, or resumes a paused one.")
    async def power_on(self, info: Info, id: str) -> SuccessType:
        return await _verb(info, id, "power_on")

    @strawberry.mutation(
        description="Asks the guest to power off; one that does not listen loses its power, or with `force: false` runs on."
    )
    async def power_off(self, info: Info, id: str, force: bool | None = True) -> SuccessType:
        return await _verb(info, id, "power_off", force=force is not False)

    @strawberry.mutation(description="Pulls the plug.")
    async def force_power_off(self, info: Info, id: str) -> SuccessType:
        return await _verb(info, id, "force_power_off")

    @strawberry.mutation(description="Pauses a running machine.")
    async def suspend(self, info: Info, id: str) -> SuccessType:
        return await _verb(info, id, "suspend")

    @strawberry.mutation(description="Lets a paused machine run on.")
    async def resume_machine(self, info: Info, id: str) -> SuccessType:
        return await _verb(info, id, "resume")

    @strawberry.mutation(description="Powers off and starts again.")
    async def restart_machine(self, info: Info, id: str) -> SuccessType:
        return await _verb(info, id, "restart")

    @strawberry.mutation(description="Asks the guest to restart.")
    async def reboot_machine(self, info: Info, id: str) -> SuccessType:
        return await _verb(info, id, "reboot")

    @strawberry.mutation(description="Presses the reset button.")
    async def reset_machine(self, info: Info, id: str) -> SuccessType:
        return await _verb(info, id, "reset")

    @strawberry.mutation(description="Removes a machine and everything that belongs to it.")
    async def destroy_machine(self, info: Info, id: str) -> SuccessType:
        return SuccessType.from_result(await info.context.services.machines.destroy(info.context.caller, known_id(id)))


async def _verb(info: Info, id: str, kind: str, **values: bool) -> SuccessType:
    outcome = await info.context.services.machines.verb(info.context.caller, known_id(id), kind, **values)
    return SuccessType.from_result(outcome)

"""createMachine: everything is checked, one transaction is written, and a durable operation does the rest.

The phases: check the wish → decide the configuration → write machine, secrets and operation in one transaction →
answer. `planMachine` stops before the transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import uuid4

from infinibay.core import naming, sizing
from infinibay.core.access import Principal
from infinibay.core.machine_status import MachineStatus
from infinibay.db import (
    applications,
    events,
    images,
    installations,
    machines,
    rows,
    scripts,
)
from infinibay.db.client import Database
from infinibay.errors import BadUserInput, Conflict, FieldProblem, NotFound, UniqueViolation, WrongState
from infinibay.operations.api import NewOperation
from infinibay.operations.engine import OperationEngine
from infinibay.secrets import graphics_password
from infinibay.services import idempotency
from infinibay.services.machines.creation_steps import CREATE, CREATE_STEPS
from infinibay.services.machines.definition import Definition
from infinibay.services.machines.installation_secrets import Installation, MachineSecrets
from infinibay.services.machines.records import change_status
from infinibay.services.machines.requests import CreateMachineRequest, MachinePlan, Problem, Relation
from infinibay.services.machines.validation import Checked, Validation
from infinibay.services.machines.visible import visible_machine

_GONE: Mapping[machines.Origin, FieldProblem] = {
    "department": FieldProblem("departmentId", "Department not found"),
    "template": FieldProblem("templateId", "Machine template not found"),
    "iso": FieldProblem("isoId", "There is no such installation medium"),
}


@dataclass(frozen=True)
class Begun:
    """A machine that is made, as it was written, and the operation that makes it."""

    machine: rows.Machine
    operation: rows.Operation


class Planner:
    """Checks a wish and decides what would become of it; writes nothing."""

    def __init__(self, validation: Validation, definition: Definition, host_id: str) -> None:
        self._validation = validation
        self.definition = definition
        self._host_id = host_id

    async def plan(self, request: CreateMachineRequest) -> MachinePlan:
        """What create would do; nothing is written."""
        checked = await self.check(request)
        machine = self.new_machine(str(uuid4()), checked, user_id="")
        preview = await self.definition.preview(machine, checked)
        return MachinePlan(
            valid=not checked.problems,
            problems=tuple(Problem(p.field, p.code, p.message, p.remedy) for p in checked.problems),
            warnings=tuple(checked.warnings),
            cpu_cores=checked.sizes.cores,
            ram_gb=checked.sizes.ram_gb,
            disk_size_gb=checked.sizes.disk_gb,
            disk_path=preview.disk_path,
            network=preview.network,
            filters=preview.filters,
            firmware=preview.firmware,
            domain_type=checked.domain_type,
            medium=checked.source.image.name if checked.source.image else str(checked.source.path),
            media_mode=_installation(checked).mode,
            steps=CREATE_STEPS,
            xml=preview.xml,
        )

    async def check(self, request: CreateMachineRequest) -> Checked:
        """The checked wish, with everything that is wrong with it."""
        return await self._validation.check(request)

    async def check_kept(self, machine: rows.Machine, installation: Installation) -> None:
        """Raises BadUserInput where what was kept of an earlier wish can't be done any more."""
        await self._validation.check_kept(machine, installation)

    def new_machine(self, machine_id: str, checked: Checked, *, user_id: str) -> machines.NewMachine:
        name = checked.request.name.strip()
        return machines.NewMachine(
            id=machine_id,
            name=name,
            name_key=naming.name_key(name),
            internal_name=naming.domain_name(machine_id),
            os=checked.system.name,
            cpu_cores=checked.sizes.cores,
            ram_gb=checked.sizes.ram_gb,
            disk_size_gb=checked.sizes.disk_gb,
            host_id=self._host_id,
            user_id=user_id,
            template_id=checked.template_id,
            department_id=checked.department_id or "",
        )


class CreateMachine:
    """Creates machines and tries a failed creation again."""

    def __init__(
        self, database: Database, engine: OperationEngine, planner: Planner, secrets: MachineSecrets, host_id: str
    ) -> None:
        self._database = database
        self._engine = engine
        self._planner = planner
        self._secrets = secrets
        self._host_id = host_id

    async def plan(self, request: CreateMachineRequest) -> MachinePlan:
        """What create would do; nothing is written."""
        return await self._planner.plan(request)

    async def create(
        self, principal: Principal, request: CreateMachineRequest, relations: Collection[Relation]
    ) -> Begun:
        """Writes the machine and its operation, and returns it as `building`, with the relations. BadUserInput names
        every wrong field."""
        checked = await self._planner.check(request)
        if checked.problems:
            raise BadUserInput(*checked.problems)
        machine = self._planner.new_machine(str(uuid4()), checked, user_id=principal.user_id)
        try:
            begun = await self._write(principal, machine, checked)
        except UniqueViolation as error:
            if not await machines.is_name_taken(self._database, machine.name_key):
                raise
            raise BadUserInput(
                FieldProblem("name", f'Machine name "{machine.name}" is already taken', "CONFLICT")
            ) from error
        try:
            row = await machines.with_relations(self._database, begun.machine, relations)
        finally:
            # Afterwards, since the client waits for the answer first.
            self._engine.hand_over(begun.operation)
        return Begun(row, begun.operation)

    async def retry(
        self, principal: Principal, machine_id: str, password: str | None, relations: Collection[Relation]
    ) -> Begun:
        """A failed creation once more, from its kept input."""
        machine = await visible_machine(self._database, principal, machine_id)
        if machine is None:
            raise NotFound("Machine not found")
        earlier = await self._engine.latest(machine.id, CREATE)
        if machine.status != rows.MachineStatus.failed or earlier is None or earlier.state == "SUCCEEDED":
            raise WrongState("Only a failed creation can be tried again")
        installation = await self._kept(machine, earlier, password)
        async with self._database.tx() as tx:
            await machines.lock(tx, machine.id)  # Before the operation's event, as everybody locks rows first.
            if installation is not None:
                await self._secrets.keep_installation(tx, machine.id, installation)
            operation = await self._engine.submit(tx, self._operation(principal, machine.id, dict(earlier.input)))
            await installations.enter(tx, machine.id, "pending", phase=None, operation_id=operation.id)
            await change_status(tx, machine.id, MachineStatus.BUILDING, settle=True, operation_id=operation.id)
            await idempotency.settle(tx, {"machine": machine.id})
        self._engine.hand_over(operation)
        row = await machines.find_with(self._database, machine.id, relations)
        if row is None:
            raise Conflict("The machine was destroyed at the same moment")
        return Begun(row, operation)

    async def _kept(self, machine: rows.Machine, earlier: rows.Operation, password: str | None) -> Installation | None:
        """What was to be installed; None for a clone, which has its system already."""
        if "username" not in earlier.input:
            return None
        if password is not None and (problems := sizing.password_problems(password)):
            raise BadUserInput(*problems)
        username = str(earlier.input["username"])
        installation = await self._secrets.installation_for_retry(self._database, machine.id, username, password)
        await self._planner.check_kept(machine, installation)
        return installation

    async def _write(self, principal: Principal, machine: machines.NewMachine, checked: Checked) -> Begun:
        request = checked.request
        async with self._database.tx() as tx:
            await _hold(tx, checked)
            row = await machines.create(
                tx,
                machine,
                self._planner.definition.configuration(machine, checked),
                _installation(checked),
                pool=self._planner.definition.place.pool_name,
                volume_name=naming.main_volume(machine.internal_name),
                base_image_id=checked.source.image.id if checked.source.image else None,
                applications=tuple(checked.choice.applications),
                scripts=tuple(checked.choice.scripts),
            )
            installation = Installation(
                request.username,
                request.password,
                request.product_key,
                checked.choice.applications,
                checked.choice.scripts,
            )
            await self._secrets.keep_first(tx, machine.id, installation, graphics_password())
            await events.append(
                tx,
                kind="machine.created",
                data={"name": machine.name, "status": MachineStatus.BUILDING.value},
                machine_id=machine.id,
                owner_id=machine.user_id,
                actor_id=principal.user_id,
            )
            await idempotency.settle(tx, {"machine": machine.id})
            new = self._operation(principal, machine.id, {"username": request.username}, newborn=True)
            return Begun(row, await self._engine.submit(tx, new))

    def _operation(
        self, principal: Principal, machine_id: str, values: Mapping[str, object], *, newborn: bool = False
    ) -> NewOperation:
        return NewOperation(
            kind=CREATE,
            host_id=self._host_id,
            machine_id=machine_id,
            requested_by_id=principal.user_id,
            input=values,
            newborn=newborn,
        )


def _installation(checked: Checked) -> machines.NewInstallation:
    if checked.installation is None:
        raise ValueError("the wish was not wholly checked")
    return checked.installation


async def _hold(tx: Database, checked: Checked) -> None:
    """What the machine refers to stays until the transaction ends; BadUserInput names what is gone by now."""
    source = checked.source
    missing = await machines.hold_origins(
        tx, department_id=checked.department_id, template_id=checked.template_id, iso_id=source.iso_id
    )
    if missing:
        raise BadUserInput(*(_GONE[origin] for origin in _GONE if origin in missing))
    if source.image is not None and await images.hold(tx, source.image.id) is None:
        raise BadUserInput(FieldProblem("baseImage", "There is no such image"))
    choice = checked.choice
    if choice.applications and not await applications.hold(tx, tuple(choice.applications)):
        raise BadUserInput(FieldProblem("applications", "An application was deleted at the same moment"))
    if choice.scripts and not await scripts.hold(tx, tuple(choice.scripts)):
        raise BadUserInput(FieldProblem("firstBootScripts", "A script was deleted at the same moment"))

"""A plan from the command line."""

from __future__ import annotations

from infinibay.bootstrap.foundation import foundation
from infinibay.bootstrap.isos import iso_parts
from infinibay.bootstrap.machines import machine_parts
from infinibay.bootstrap.services import build_validation
from infinibay.errors import Unavailable
from infinibay.services.machines.create import Planner
from infinibay.services.machines.requests import CreateMachineRequest, MachinePlan
from infinibay.settings import Settings


async def plan_machine(settings: Settings, request: CreateMachineRequest) -> MachinePlan:
    """What createMachine would do. Nothing is set up for it: raises Unavailable where no server of this version has
    run."""
    if not settings.key_file.exists():
        raise Unavailable("No server has run here yet", remedy="scripts/start")
    async with foundation(settings, migrates=False) as base:
        parts = machine_parts(base)
        validation = build_validation(base, iso_parts(settings, base.database))
        return await Planner(validation, parts.definition, base.host.id).plan(request)

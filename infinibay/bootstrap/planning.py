"""A plan from the command line."""

from __future__ import annotations

from infinibay.bootstrap.foundation import foundation
from infinibay.bootstrap.isos import iso_parts
from infinibay.bootstrap.machines import machine_parts
from infinibay.bootstrap.services import build_validation
from infinibay.services.machines.create import Planner
from infinibay.services.machines.requests import CreateMachineRequest, MachinePlan
from infinibay.settings import Settings


async def plan_machine(settings: Settings, request: CreateMachineRequest) -> MachinePlan:
    """What createMachine would do; no machine is written."""
    async with foundation(settings) as base:
        parts = machine_parts(base)
        validation = build_validation(base, iso_parts(settings, base.database))
        return await Planner(validation, parts.definition, base.host.id).plan(request)

"""Reading machines."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import PaginationInputType, known_id, page_size, window
from infinibay.graphql.context import Info
from infinibay.graphql.installations.types import InstallationReport
from infinibay.graphql.machines.inputs import CreateMachineInputType, MachineFilter, MachineOrderBy
from infinibay.graphql.machines.types import GraphicConfigurationType, Machine, MachinePage, MachinePlan, relations_of
from infinibay.graphql.selection import selected


@strawberry.type
class MachineQueries:
    @strawberry.field
    async def machine(self, info: Info, id: str) -> Machine | None:
        """One machine; null when it is absent or not the caller's."""
        row = await info.context.services.machines.find(info.context.caller, known_id(id))
        return Machine.shown(info, row) if row else None

    @strawberry.field
    async def machines(
        self,
        info: Info,
        pagination: PaginationInputType | None = strawberry.UNSET,
        order_by: MachineOrderBy | None = strawberry.UNSET,
    ) -> list[Machine]:
        """The machines that the caller may see; without pagination all of them."""
        take, skip = window(pagination)
        order = (order_by or MachineOrderBy()).to_request()
        read = relations_of(selected(info))
        found = await info.context.services.machines.list(info.context.caller, order, take, skip, read)
        return [Machine.shown(info, row) for row in found]

    @strawberry.field
    async def machines_page(
        self,
        info: Info,
        filter: MachineFilter | None = strawberry.UNSET,
        first: int | None = 50,
        after: str | None = strawberry.UNSET,
    ) -> MachinePage:
        """A page of machines, the newest first."""
        wanted, size = (filter or MachineFilter()).to_request(), page_size(first, 50)
        read = relations_of(selected(info, "items"))
        page = await info.context.services.machines.page(info.context.caller, wanted, size, after or None, read)
        return MachinePage.from_result(page, info.context.graphic_host)

    @strawberry.field
    async def graphic_connection(self, info: Info, id: str) -> GraphicConfigurationType | None:
        """Where a machine's graphics listen; null when it is absent, not the caller's, or off."""
        link = await info.context.services.machines.graphics(info.context.caller, known_id(id))
        return GraphicConfigurationType.from_result(link) if link else None

    @strawberry.field
    async def installation_report(self, info: Info, machine_id: strawberry.ID) -> InstallationReport | None:
        """How a machine's installation went; null when there is no such machine, or it is not the caller's."""
        report = await info.context.services.installations.report(info.context.caller, known_id(machine_id))
        return InstallationReport.from_result(report) if report else None

    @strawberry.field
    async def plan_machine(self, info: Info, input: CreateMachineInputType) -> MachinePlan:
        """What createMachine would do with this input; nothing is written."""
        plan = await info.context.services.machines.plan(info.context.caller, input.to_request())
        return MachinePlan.from_result(plan)

"""Queries on rule sets."""

from __future__ import annotations

from infinibay.core import naming
from infinibay.db import rows
from infinibay.db.client import Database

DEPARTMENT_PRIORITY = 1000
MACHINE_PRIORITY = 500


async def create_for_machine(tx: Database, machine: rows.Machine) -> None:
    """The machine's rule set, which names its nwfilter."""
    await tx.ruleset.create(
        data={
            "name": f"VM Firewall: {machine.name}",
            "internalName": naming.machine_filter(machine.id),
            "entityType": rows.RuleSetType.VM,
            "machineId": machine.id,
            "priority": MACHINE_PRIORITY,
        }
    )


async def create_for_department(tx: Database, department: rows.Department) -> None:
    """The department's rule set, which names its nwfilter."""
    await tx.ruleset.create(
        data={
            "name": f"Department Firewall: {department.name}",
            "internalName": naming.department_filter(department.id),
            "entityType": rows.RuleSetType.DEPARTMENT,
            "departmentId": department.id,
            "priority": DEPARTMENT_PRIORITY,
        }
    )

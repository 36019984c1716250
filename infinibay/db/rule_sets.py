"""Queries on rule sets."""

from __future__ import annotations

from infinibay.core import naming
from infinibay.db import rows
from infinibay.db.client import Database

DEPARTMENT_PRIORITY = 1000
MACHINE_PRIORITY = 500


_CREATE = """
INSERT INTO rule_sets (name, internal_name, entity_type, machine_id, department_id, priority)
VALUES ($1, $2, $3::text::"RuleSetType", $4::uuid, $5::uuid, $6::int)
"""


async def create_for_machine(tx: Database, machine: rows.Machine) -> None:
    """The machine's rule set, which names its nwfilter."""
    name = f"VM Firewall: {machine.name}"
    await tx.execute_raw(_CREATE, name, naming.machine_filter(machine.id), "VM", machine.id, None, MACHINE_PRIORITY)


async def create_for_department(tx: Database, department: rows.Department) -> None:
    """The department's rule set, which names its nwfilter."""
    name, filter_name = f"Department Firewall: {department.name}", naming.department_filter(department.id)
    await tx.execute_raw(_CREATE, name, filter_name, "DEPARTMENT", None, department.id, DEPARTMENT_PRIORITY)

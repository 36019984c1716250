"""What the birth of a department sets in motion: its rule set, in the same transaction."""

from __future__ import annotations

from infinibay.db import rows, rule_sets
from infinibay.db.client import Database
from infinibay.db.hooks import Hooks


def register(hooks: Hooks) -> None:
    """Adds the department's callbacks to the registry."""

    @hooks.after_create(rows.Department)
    async def create_rule_set(tx: Database, department: rows.Department) -> None:
        await rule_sets.create_for_department(tx, department)

"""What the birth of a machine sets in motion: its rule set, in the same transaction.

What must reach libvirt is done by the operation's `filters` step, never here.
"""

from __future__ import annotations

from infinibay.db import rows, rule_sets
from infinibay.db.client import Database
from infinibay.db.hooks import Hooks


def register(hooks: Hooks) -> None:
    """Adds the machine's callbacks to the registry."""

    @hooks.after_create(rows.Machine)
    async def create_rule_set(tx: Database, machine: rows.Machine) -> None:
        await rule_sets.create_for_machine(tx, machine)

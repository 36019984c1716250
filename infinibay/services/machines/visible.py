"""Finding a machine as one principal sees it."""

from __future__ import annotations

from infinibay.core.access import Principal, may_see
from infinibay.core.identifiers import canonical
from infinibay.db import machines, rows
from infinibay.db.client import Database


async def visible_machine(db: Database, principal: Principal, machine_id: str) -> rows.Machine | None:
    """The machine with its relations; None when it is absent or not the principal's: both look the same."""
    known_form = canonical(machine_id)
    row = await machines.find(db, known_form) if known_form else None
    return row if row is not None and may_see(principal, row.userId) else None

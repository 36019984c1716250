"""Changes of a machine's rows together with their events, each in one transaction."""

from __future__ import annotations

from infinibay.core.machine_status import OWNED_BY_OPERATIONS, MachineStatus
from infinibay.db import machines, rows
from infinibay.db.client import Database

# A machine whose domain vanished is failed until the domain is back; a failed creation stays until it is retried.
DOMAIN_GONE = "The domain is gone from the hypervisor"
# What a removal that stopped half-way leaves is failed until it is destroyed again.
HALF_DESTROYED = "Not wholly destroyed"


def is_held(standing: machines.Standing) -> bool:
    """Whether only an operation may end the machine's status, whatever the hypervisor reports."""
    is_gone = (standing.reason or "").startswith(DOMAIN_GONE)
    return MachineStatus(standing.status) in OWNED_BY_OPERATIONS and not is_gone


def undrivable(machine: rows.Machine) -> str | None:
    """Why nothing but destroyMachine or retryMachine may be done: no domain is left where a creation failed, and none
    shall come back where a removal stopped half-way."""
    reason = machine.statusReason or ""
    if machine.status != rows.MachineStatus.failed or reason.startswith(DOMAIN_GONE):
        return None
    if reason.startswith(HALF_DESTROYED):
        return "The machine is not wholly destroyed: destroy it again"
    return "The machine's creation failed: retry it or destroy it"


async def change_status(
    tx: Database,
    machine_id: str,
    status: MachineStatus,
    *,
    reason: str | None = None,
    screen: int | None = None,
    settle: bool = False,
    operation_id: str | None = None,
) -> bool:
    """Writes a new status and its event `machine.status` {status, previous, reason}, and with it the port of the
    screen, so that who hears of a running machine finds it; false when neither status nor reason changed.

    What libvirt reports does not end `building` or a failed creation; an operation that knows better says `settle`.
    """
    known = await machines.standing(tx, machine_id, lock=True)
    if known is None or (is_held(known) and not settle):
        return False
    return await machines.set_status(tx, machine_id, status, reason, screen=screen, operation_id=operation_id)

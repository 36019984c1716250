"""The one state machine of a machine's status."""

from __future__ import annotations

from enum import StrEnum


class MachineStatus(StrEnum):
    """The status words, the same in GraphQL, in events and in the database."""

    BUILDING = "building"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CRASHED = "crashed"
    FAILED = "failed"


# A creation owns the status of its machine; what libvirt reports does not end it.
OWNED_BY_OPERATIONS = frozenset({MachineStatus.BUILDING, MachineStatus.FAILED})

"""Our names for the database's records and enumerations; nobody outside `db` names Prisma."""

from __future__ import annotations

from prisma import Json
from prisma.enums import MachineStatus, OperationState, RuleAction, RuleDirection, RuleSetType, UserRole
from prisma.models import (
    Application,
    AuditEntry,
    Department,
    Event,
    FirewallRule,
    Host,
    IdempotencyKey,
    Iso,
    Machine,
    MachineApplication,
    MachineConfiguration,
    MachineDisk,
    MachineTemplate,
    MachineTemplateCategory,
    Operation,
    RuleSet,
    Secret,
    Session,
    Setting,
    User,
)

__all__ = [
    "Application",
    "AuditEntry",
    "Department",
    "Event",
    "FirewallRule",
    "Host",
    "IdempotencyKey",
    "Iso",
    "Json",
    "Machine",
    "MachineApplication",
    "MachineConfiguration",
    "MachineDisk",
    "MachineStatus",
    "MachineTemplate",
    "MachineTemplateCategory",
    "Operation",
    "OperationState",
    "RuleAction",
    "RuleDirection",
    "RuleSet",
    "RuleSetType",
    "Secret",
    "Session",
    "Setting",
    "User",
    "UserRole",
]

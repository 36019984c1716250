"""What callers ask of the machines' services: frozen values, shapes checked, rules not yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from infinibay.db import machine_relations

Relation: TypeAlias = machine_relations.Relation


@dataclass(frozen=True)
class ApplicationRequest:
    application_id: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScriptRequest:
    script_id: str
    input_values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CreateMachineRequest:
    """A wish for a machine; sizes in GB. The secrets among it never reach a log (`repr` leaves them out)."""

    name: str
    os: str
    username: str
    password: str = field(repr=False)
    product_key: str | None = field(default=None, repr=False)
    department_id: str | None = None
    template_id: str | None = None
    custom_cores: int | None = None
    custom_ram: int | None = None
    custom_storage: int | None = None
    pci_bus: str | None = None
    iso_id: str | None = None
    base_image: str | None = None
    media_mode: Literal["seed", "remaster", "manual"] | None = None
    locale: str | None = None
    keyboard: str | None = None
    timezone: str | None = None
    hostname: str | None = None
    ssh_keys: tuple[str, ...] = ()
    edition: str | None = None
    packages: tuple[str, ...] = ()
    applications: tuple[ApplicationRequest, ...] = ()
    first_boot_scripts: tuple[ScriptRequest, ...] = ()


@dataclass(frozen=True)
class MachineOrder:
    """Column names of the contract's MachineOrderByField; `config` is accepted and means the default order."""

    by: Literal["id", "status", "userId", "templateId", "createdAt"] = "createdAt"
    descending: bool = True


@dataclass(frozen=True)
class MachineFilter:
    """What a page of machines is narrowed to; `search` looks into names without case."""

    search: str | None = None
    status: tuple[str, ...] = ()
    department_id: str | None = None
    user_id: str | None = None
    os: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The honest end of a verb: what really happened, in a sentence."""

    success: bool
    message: str


@dataclass(frozen=True)
class GraphicsLink:
    link: str
    password: str = field(repr=False)
    protocol: str


@dataclass(frozen=True)
class Problem:
    """What keeps a plan from being carried out."""

    field: str
    code: str
    message: str
    remedy: str | None = None


@dataclass(frozen=True)
class MachinePlan:
    """What createMachine would do; `xml` has its secrets replaced; sizes in GB."""

    valid: bool
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    cpu_cores: int
    ram_gb: int
    disk_size_gb: int
    disk_path: str
    network: str
    filters: tuple[str, ...]
    firmware: str
    domain_type: str
    medium: str
    media_mode: str
    steps: tuple[str, ...]
    xml: str

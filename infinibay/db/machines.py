"""Queries on machines and what belongs to them: configuration, disks, applications, secrets."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, cast

from prisma import types

from infinibay.db import rows
from infinibay.db.client import Database
from infinibay.db.machine_relations import Relation, join
from infinibay.db.patterns import literal

WITH_RELATIONS: types.MachineInclude = {
    "user": True,
    "department": True,
    "template": True,
    "configuration": True,
    "host": True,
}

Origin = Literal["department", "template", "iso"]

_HOLD_ORIGINS = """
SELECT EXISTS (SELECT 1 FROM departments WHERE id = $1::uuid FOR KEY SHARE) AS department,
       EXISTS (SELECT 1 FROM machine_templates WHERE id = $2::uuid FOR KEY SHARE) AS template,
       EXISTS (SELECT 1 FROM isos WHERE id = $3::uuid FOR KEY SHARE) AS iso
"""

# One statement, where nested creates would be a dozen.
_PARTS = """
WITH configuration AS (
  INSERT INTO machine_configurations
    (machine_id, firmware, tpm, domain_type, graphic_protocol, network, mac_address, iso_path)
  SELECT $1::uuid, c.firmware, c.tpm, c.domain_type, c.graphic_protocol, c.network, c.mac_address, c.iso_path
  FROM jsonb_populate_record(NULL::machine_configurations, $2::jsonb) c
), installation AS (
  INSERT INTO installations
    (machine_id, mode, locale, keyboard, timezone, hostname, ssh_keys, packages, edition, kernel_arguments)
  SELECT $1::uuid, i.mode, i.locale, i.keyboard, i.timezone, i.hostname, i.ssh_keys, i.packages, i.edition, '{}'
  FROM jsonb_populate_record(NULL::installations, $4::jsonb) i WHERE $4::jsonb IS NOT NULL
), application AS (
  INSERT INTO machine_applications (machine_id, application_id) SELECT $1::uuid, unnest($5::uuid[])
), script AS (
  INSERT INTO machine_scripts (machine_id, script_id, position)
  SELECT $1::uuid, s.id, s.number - 1 FROM unnest($6::uuid[]) WITH ORDINALITY AS s (id, number)
)
INSERT INTO machine_disks (machine_id, position, pool, volume_name, size_gb, base_image_id)
SELECT $1::uuid, 0, d.pool, d.volume_name, d.size_gb, d.base_image_id
FROM jsonb_populate_record(NULL::machine_disks, $3::jsonb) d
"""

_STANDING = "SELECT status::text AS status, status_reason AS reason FROM machines WHERE id = $1::uuid"

# The machine is locked by now, so that the statement sees it as it is.
_SET_STATUS = """
WITH screen AS (
  UPDATE machine_configurations SET graphic_port = $4::int
  WHERE machine_id = $1::uuid AND graphic_port IS DISTINCT FROM $4::int
), before AS (
  SELECT id, status, user_id FROM machines WHERE id = $1::uuid
), after AS (
  UPDATE machines m SET status = $2::text::"MachineStatus", status_reason = $3::text, updated_at = clock_timestamp()
  FROM before
  WHERE m.id = before.id AND (m.status, m.status_reason) IS DISTINCT FROM ($2::text::"MachineStatus", $3::text)
  RETURNING before.id, before.status AS previous, before.user_id
)
INSERT INTO events (kind, machine_id, operation_id, owner_id, data)
SELECT 'machine.status', id, $5::uuid, user_id,
       jsonb_build_object('status', $2::text, 'previous', previous, 'reason', $3::text)
FROM after
"""

OrderColumn = Literal["id", "status", "userId", "templateId", "createdAt"]


@dataclass(frozen=True)
class NewMachine:
    """The row of a newborn machine; sizes in GB."""

    id: str
    name: str
    name_key: str
    internal_name: str
    os: str
    cpu_cores: int
    ram_gb: int
    disk_size_gb: int
    host_id: str
    user_id: str
    template_id: str | None
    department_id: str


@dataclass(frozen=True)
class NewConfiguration:
    """What was decided for its domain."""

    firmware: str
    tpm: bool
    domain_type: str
    graphic_protocol: str
    network: str
    mac_address: str
    iso_path: str | None


@dataclass(frozen=True)
class NewInstallation:
    """What was asked for, or was chosen in its place; `mode` is seed, remaster, manual or image."""

    mode: str
    locale: str
    keyboard: str
    timezone: str
    hostname: str
    ssh_keys: tuple[str, ...]
    packages: tuple[str, ...]
    edition: str | None


@dataclass(frozen=True)
class Standing:
    """What is shown of a machine's domain, as it was last written."""

    status: rows.MachineStatus
    reason: str | None


async def create(
    tx: Database,
    machine: NewMachine,
    configuration: NewConfiguration,
    installation: NewInstallation | None,
    *,
    pool: str,
    volume_name: str,
    base_image_id: str | None,
    applications: Sequence[str],
    scripts: Sequence[str],
) -> rows.Machine:
    """Writes the machine, its configuration, its installation (None for a clone), main disk, and the ids of its
    applications and scripts. The hooks add its rule set."""
    row = await tx.machine.create(
        data={
            "id": machine.id,
            "name": machine.name,
            "nameKey": machine.name_key,
            "internalName": machine.internal_name,
            "os": machine.os,
            "cpuCores": machine.cpu_cores,
            "ramGB": machine.ram_gb,
            "diskSizeGB": machine.disk_size_gb,
            "hostId": machine.host_id,
            "userId": machine.user_id,
            "templateId": machine.template_id,
            "departmentId": machine.department_id,
        }
    )
    disk = {"pool": pool, "volume_name": volume_name, "size_gb": machine.disk_size_gb, "base_image_id": base_image_id}
    await tx.execute_raw(
        _PARTS,
        machine.id,
        json.dumps(asdict(configuration)),
        json.dumps(disk),
        None if installation is None else json.dumps(asdict(installation)),
        list(applications),
        list(scripts),
    )
    return row


async def hold_origins(
    tx: Database, *, department_id: str | None, template_id: str | None, iso_id: str | None
) -> frozenset[Origin]:
    """Which of those that are given do not exist; the others stay until the transaction ends."""
    given: dict[Origin, str | None] = {"department": department_id, "template": template_id, "iso": iso_id}
    [held] = await tx.query_raw(_HOLD_ORIGINS, *given.values())
    return frozenset(origin for origin, row_id in given.items() if row_id is not None and not held[origin])


async def find(db: Database, machine_id: str) -> rows.Machine | None:
    """The machine with its relations."""
    return await db.machine.find_unique(where={"id": machine_id}, include=WITH_RELATIONS)


async def find_with(db: Database, machine_id: str, relations: Collection[Relation]) -> rows.Machine | None:
    """The machine with some of its relations."""
    row = await db.machine.find_unique(where={"id": machine_id})
    return None if row is None else await with_relations(db, row, relations)


async def with_relations(db: Database, row: rows.Machine, relations: Collection[Relation]) -> rows.Machine:
    """A machine that has just been written, with some of its relations."""
    await join(db, [row], relations)
    return row


async def find_with_disks(db: Database, machine_id: str) -> rows.Machine | None:
    """The machine with its configuration and disks, the main one first."""
    return await db.machine.find_unique(
        where={"id": machine_id},
        include={"configuration": True, "disks": {"order_by": {"position": "asc"}}},
    )


async def disks(db: Database, machine_id: str) -> list[rows.MachineDisk]:
    """The machine's disks, the main one first."""
    return await db.machinedisk.find_many(where={"machineId": machine_id}, order={"position": "asc"})


async def find_with_configuration(db: Database, machine_id: str) -> rows.Machine | None:
    return await db.machine.find_unique(where={"id": machine_id}, include={"configuration": True})


async def is_name_taken(db: Database, name_key: str) -> bool:
    return bool(await db.query_raw("SELECT 1 AS found FROM machines WHERE name_key = $1", name_key))


async def lock(tx: Database, machine_id: str) -> rows.Machine | None:
    """The machine's row, locked until the transaction ends."""
    await tx.query_raw("SELECT 1 FROM machines WHERE id = $1::uuid FOR UPDATE", machine_id)
    return await tx.machine.find_unique(where={"id": machine_id}, include={"configuration": True})


async def standing(db: Database, machine_id: str, *, lock: bool = False) -> Standing | None:
    """How a machine stands; with `lock` it stays so until the transaction ends."""
    found = await db.query_raw(f"{_STANDING} FOR UPDATE" if lock else _STANDING, machine_id)
    return Standing(rows.MachineStatus(found[0]["status"]), found[0]["reason"]) if found else None


async def list_visible(
    db: Database,
    owner_id: str | None,
    *,
    order: OrderColumn,
    descending: bool,
    take: int | None,
    skip: int,
    relations: Collection[Relation],
) -> list[rows.Machine]:
    """Machines of one owner, or of all (None)."""
    direction: Literal["asc", "desc"] = "desc" if descending else "asc"
    found = await db.machine.find_many(
        where={"userId": owner_id} if owner_id else {},
        order=cast("types.MachineOrderByInput", {order: direction}),
        take=take,
        skip=skip,
    )
    await join(db, found, relations)
    return found


async def page(
    db: Database,
    where: types.MachineWhereInput,
    *,
    first: int,
    after: tuple[datetime, str] | None,
    relations: Collection[Relation],
) -> list[rows.Machine]:
    """Up to `first` machines, newest first, that follow the cursor (creation time, id)."""
    conditions: list[types.MachineWhereInput] = [where]
    if after is not None:
        at, machine_id = after
        conditions.append(
            cast(
                "types.MachineWhereInput",
                {"OR": [{"createdAt": {"lt": at}}, {"createdAt": at, "id": {"lt": machine_id}}]},
            )
        )
    found = await db.machine.find_many(
        where={"AND": conditions},
        order=[{"createdAt": "desc"}, {"id": "desc"}],
        take=first,
    )
    await join(db, found, relations)
    return found


def narrowed(
    *,
    owner_id: str | None,
    search: str | None,
    statuses: Sequence[str],
    department_id: str | None,
    user_id: str | None,
    systems: Sequence[str],
) -> types.MachineWhereInput:
    """The condition of a page; `search` looks into names without case."""
    conditions: list[dict[str, Any]] = []
    if owner_id is not None:
        conditions.append({"userId": owner_id})
    if search:
        conditions.append({"name": {"contains": literal(search), "mode": "insensitive"}})
    if statuses:
        conditions.append({"status": {"in": list(statuses)}})
    if department_id is not None:
        conditions.append({"departmentId": department_id})
    if user_id is not None:
        conditions.append({"userId": user_id})
    if systems:
        conditions.append({"os": {"in": list(systems)}})
    return cast("types.MachineWhereInput", {"AND": conditions})


async def count(db: Database, where: types.MachineWhereInput) -> int:
    return await db.machine.count(where=where)


async def of_host(db: Database, host_id: str) -> list[rows.Machine]:
    """All machines of a host, for comparing them with its domains."""
    return await db.machine.find_many(where={"hostId": host_id})


async def domain_ids(db: Database) -> frozenset[str]:
    """The ids of all that may have a domain: machines, and images while they are made."""
    found = await db.query_raw("SELECT id FROM machines UNION ALL SELECT id FROM images")
    return frozenset(str(row["id"]) for row in found)


async def autostarting(db: Database, host_id: str) -> list[rows.Machine]:
    return await db.machine.find_many(where={"hostId": host_id, "autostart": True}, order={"createdAt": "asc"})


async def set_status(
    tx: Database, machine_id: str, status: str, reason: str | None, *, screen: int | None, operation_id: str | None
) -> bool:
    """Writes the status and the port of the screen of a locked machine, and the event `machine.status` when status or
    reason is a new one: then true."""
    return await tx.execute_raw(_SET_STATUS, machine_id, status, reason, screen, operation_id) == 1


async def clear_medium(db: Database, machine_id: str) -> None:
    """The machine boots from its disk from now on."""
    await db.machineconfiguration.update_many(where={"machineId": machine_id}, data={"isoPath": None})


async def rename(tx: Database, machine_id: str, name: str, name_key: str) -> None:
    await tx.machine.update(where={"id": machine_id}, data={"name": name, "nameKey": name_key})


async def assign(tx: Database, machine_id: str, user_id: str | None) -> None:
    await tx.execute_raw("UPDATE machines SET user_id = $1::uuid WHERE id = $2::uuid", user_id, machine_id)


async def move(tx: Database, machine_id: str, department_id: str) -> None:
    await tx.machine.update(where={"id": machine_id}, data={"department": {"connect": {"id": department_id}}})


async def set_autostart(tx: Database, machine_id: str, *, enabled: bool) -> None:
    await tx.machine.update(where={"id": machine_id}, data={"autostart": enabled})


async def delete(tx: Database, machine_id: str) -> bool:
    """Removes the row and all that hangs on it; false when it was gone already."""
    return await tx.machine.delete_many(where={"id": machine_id}) > 0

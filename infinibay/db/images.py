"""Queries on images, and on the disks that stand on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infinibay.db import rows
from infinibay.db.client import Database


@dataclass(frozen=True)
class NewImage:
    """The row of an image that is about to be made; `size_gb` is what a machine's disk has at least."""

    id: str
    name: str
    name_key: str
    os: str
    kind: str
    pool: str
    volume_name: str
    size_gb: int
    source_machine_id: str | None = None
    source_stamp: str | None = None


async def create(tx: Database, new: NewImage) -> rows.Image:
    """Raises UniqueViolation when the name is taken."""
    return await tx.image.create(
        data={
            "id": new.id,
            "name": new.name,
            "nameKey": new.name_key,
            "os": new.os,
            "kind": new.kind,
            "state": "making",
            "pool": new.pool,
            "volumeName": new.volume_name,
            "format": "qcow2",
            "sizeGB": new.size_gb,
            "sourceMachineId": new.source_machine_id,
            "sourceStamp": new.source_stamp,
        }
    )


async def find(db: Database, image_id: str) -> rows.Image | None:
    return await db.image.find_unique(where={"id": image_id})


async def find_by_name_key(db: Database, name_key: str) -> rows.Image | None:
    return await db.image.find_unique(where={"nameKey": name_key})


async def all_by_name(db: Database) -> list[rows.Image]:
    return await db.image.find_many(order={"nameKey": "asc"})


async def hold(tx: Database, image_id: str) -> rows.Image | None:
    """The image, which then stays as it is until the transaction ends; None when it is gone or about to go."""
    await tx.query_raw("SELECT 1 FROM images WHERE id = $1::uuid FOR SHARE", image_id)
    found = await find(tx, image_id)
    return None if found is None or found.state == "removing" else found


async def hold_copy(tx: Database, machine_id: str, stamp: str) -> rows.Image | None:
    """The image that holds a machine's disk as it is, for its clones, kept until the transaction ends."""
    found = await tx.image.find_first(
        where={"sourceMachineId": machine_id, "sourceStamp": stamp, "kind": "clone", "NOT": [{"state": "failed"}]},
        order={"createdAt": "desc"},
    )
    return None if found is None else await hold(tx, found.id)


async def lock(tx: Database, image_id: str) -> rows.Image | None:
    """The image, which gets no new machine until the transaction ends."""
    await tx.query_raw("SELECT 1 FROM images WHERE id = $1::uuid FOR UPDATE", image_id)
    return await find(tx, image_id)


async def set_state(tx: Database, image_id: str, state: str) -> None:
    await tx.image.update_many(where={"id": image_id}, data={"state": state})


async def set_operation(tx: Database, image_id: str, operation_id: str) -> None:
    """Names what makes or removes it."""
    await tx.image.update_many(where={"id": image_id}, data={"operationId": operation_id})


async def delete(tx: Database, image_id: str) -> bool:
    """False when it was gone already. The database refuses while a disk stands on it."""
    return await tx.image.delete_many(where={"id": image_id}) > 0


async def machines_on(db: Database, image_id: str) -> list[str]:
    """The names of the machines whose disks stand on it."""
    found = await db.query_raw(
        "SELECT DISTINCT m.name FROM machines m JOIN machine_disks d ON d.machine_id = m.id"
        " WHERE d.base_image_id = $1::uuid ORDER BY m.name",
        image_id,
    )
    return [str(row["name"]) for row in found]


async def unused_copies(db: Database) -> list[rows.Image]:
    """The images of machines' disks that no clone stands on any more."""
    return await db.image.find_many(
        where={"kind": "clone", "NOT": [{"state": "making"}], "disks": {"none": {}}}, order={"createdAt": "asc"}
    )


async def disks_of(db: Database, machine_ids: Sequence[str]) -> dict[str, list[rows.MachineDisk]]:
    """The disks of these machines with what they stand on, by machine, the main ones first."""
    found = await db.machinedisk.find_many(
        where={"machineId": {"in": list(machine_ids)}}, include={"baseImage": True}, order={"position": "asc"}
    )
    disks: dict[str, list[rows.MachineDisk]] = {}
    for disk in found:
        disks.setdefault(disk.machineId, []).append(disk)
    return disks


async def machines_of(db: Database, image_ids: Sequence[str]) -> dict[str, list[rows.Machine]]:
    """The machines whose disks stand on these images, by image, by name."""
    found = await db.machinedisk.find_many(
        where={"baseImageId": {"in": list(image_ids)}}, include={"machine": True}, order={"machineId": "asc"}
    )
    machines: dict[str, dict[str, rows.Machine]] = {}
    for disk in found:
        if disk.baseImageId is not None and disk.machine is not None:
            machines.setdefault(disk.baseImageId, {})[disk.machineId] = disk.machine
    return {image_id: sorted(some.values(), key=lambda one: one.name) for image_id, some in machines.items()}


async def release(tx: Database, machine_id: str) -> None:
    """The machine's disks stand on nothing any more."""
    await tx.execute_raw("UPDATE machine_disks SET base_image_id = NULL WHERE machine_id = $1::uuid", machine_id)

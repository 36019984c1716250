"""Queries on hosts."""

from __future__ import annotations

from datetime import datetime

from infinibay.db import rows
from infinibay.db.client import Database


async def ensure(db: Database, name: str, libvirt_uri: str) -> rows.Host:
    """The host of this name, written at its first start."""
    return await db.host.upsert(
        where={"name": name},
        data={"create": {"name": name, "libvirtUri": libvirt_uri}, "update": {"libvirtUri": libvirt_uri}},
    )


async def of_uri(db: Database, libvirt_uri: str) -> list[rows.Host]:
    """The hosts that reach their hypervisor so; for many that is the same text."""
    return await db.host.find_many(where={"libvirtUri": libvirt_uri})


async def rename(db: Database, host_id: str, name: str) -> rows.Host | None:
    """The renamed host; None when it is gone. Raises UniqueViolation when another host has the name."""
    return await db.host.update(where={"id": host_id}, data={"name": name})


async def set_uri(db: Database, host_id: str, libvirt_uri: str) -> None:
    await db.host.update(where={"id": host_id}, data={"libvirtUri": libvirt_uri})


async def find(db: Database, host_id: str) -> rows.Host | None:
    return await db.host.find_unique(where={"id": host_id})


async def find_by_name(db: Database, name: str) -> rows.Host | None:
    return await db.host.find_unique(where={"name": name})


async def set_connected(db: Database, host_id: str, *, connected: bool) -> None:
    await db.host.update(where={"id": host_id}, data={"hypervisorConnected": connected})


async def worker_seen(db: Database, host_id: str, at: datetime) -> None:
    await db.host.update(where={"id": host_id}, data={"workerSeenAt": at})


async def set_boot_id(db: Database, host_id: str, boot_id: str) -> None:
    await db.host.update(where={"id": host_id}, data={"bootId": boot_id})

"""Storage pools and volumes through libvirt, by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import libvirt

from infinibay.errors import Conflict, HostFailure, HypervisorError, ObjectExists, ObjectMissing
from infinibay.libvirtxml.element import parse
from infinibay.libvirtxml.storage import PoolSpec, pool_xml
from infinibay.log import get_logger
from infinibay.virt import errors
from infinibay.virt.api import PoolInfo, VolumeInfo
from infinibay.virt.connection import Connection, Kind

log = get_logger(__name__)

T = TypeVar("T")

_POOL_REMEDY = "Look at the path of the pool: its parent folders, their owner and mode, and the free space."


class LibvirtStorage:
    """See `infinibay.virt.api.Storage`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_pool(self, name: str) -> PoolInfo | None:
        try:
            return await self._with(Kind.QUERY, name, _pool_info)
        except ObjectMissing:
            return None

    async def ensure_pool(self, name: str, path: str, *, exactly: bool = True) -> PoolInfo:
        """May be called by several processes at once. A pool that could not be made whole is not left behind."""

        def started(pool: libvirt.virStoragePool) -> PoolInfo:
            found = _pool_info(pool)
            if exactly and not _same_folder(found.path, path):
                raise _elsewhere(found, path)
            return found if _start_pool(pool) else _pool_info(pool)

        try:
            return await self._with(Kind.STORAGE, name, started)
        except ObjectMissing:
            await self._define_pool(name, path)
        return await self._with(Kind.STORAGE, name, started)

    async def refresh(self, pool: str) -> None:
        await self._with(Kind.STORAGE, pool, _refresh)

    async def find_volume(self, pool: str, name: str) -> VolumeInfo | None:
        try:
            return await self._with(Kind.QUERY, pool, lambda found: _volume_info(found.storageVolLookupByName(name)))
        except ObjectMissing:
            return None

    async def list_volumes(self, pool: str) -> list[VolumeInfo]:
        return await self._with(Kind.QUERY, pool, _volumes)

    async def create_volume(self, pool: str, xml: str, *, preallocate_metadata: bool) -> VolumeInfo:
        """Raises ObjectExists when the pool or its folder has that name already; nothing is touched then."""
        name = parse(xml).findtext("name") or ""
        flags = libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA if preallocate_metadata else 0

        def create(found: libvirt.virStoragePool) -> VolumeInfo:
            # A file that came into the folder behind libvirt's back is a collision too.
            _refresh(found)
            if name in found.listVolumes():
                raise ObjectExists(f"The storage pool {pool!r} already has a volume {name!r}.")
            return _volume_info(found.createXML(xml, flags))

        try:
            made = await self._with(Kind.STORAGE, pool, create)
        except HostFailure as error:
            raise HostFailure(error.message, libvirt_code=error.libvirt_code, remedy=_POOL_REMEDY) from error
        if self._connection.is_local and _is_absent(made.path):
            raise HostFailure(
                f"libvirt made the volume {name!r}, but there is no file {made.path}.", remedy=_POOL_REMEDY
            )
        return made

    async def delete_volume(self, pool: str, name: str) -> None:
        await self._with(Kind.STORAGE, pool, lambda found: found.storageVolLookupByName(name).delete(0))

    async def _define_pool(self, name: str, path: str) -> None:
        xml = pool_xml(PoolSpec(name, path))
        try:
            await self._connection.call(Kind.STORAGE, lambda connection: _make_pool(connection, xml))
        except HypervisorError as error:
            if errors.name_taken(error) is None or await self.find_pool(name) is None:
                log.error("virt.pool_failed", pool=name, path=path, reason=error.message)  # noqa: TRY400
                raise type(error)(error.message, libvirt_code=error.libvirt_code, remedy=_POOL_REMEDY) from error
            log.info("virt.pool_made_by_another", pool=name)

    async def _with(self, kind: Kind, pool: str, function: Callable[[libvirt.virStoragePool], T]) -> T:
        return await self._connection.call(
            kind, lambda connection: function(connection.storagePoolLookupByName(pool)), counted_as=function
        )


def _make_pool(connection: libvirt.virConnect, xml: str) -> None:
    pool = connection.storagePoolDefineXML(xml, 0)
    try:
        _start_pool(pool)
    except libvirt.libvirtError:
        if not pool.isActive():
            pool.undefine()
        raise


def _elsewhere(pool: PoolInfo, path: str) -> Conflict:
    return Conflict(
        f"The storage pool {pool.name!r} of this host lies in {pool.path}, not in {path}.",
        remedy=f"Set INFINIBAY_STORAGE_POOL_PATH to {pool.path}, or INFINIBAY_STORAGE_POOL_NAME to another.",
    )


def _start_pool(pool: libvirt.virStoragePool) -> bool:
    """Whether it was active already."""
    was_active = bool(pool.isActive())
    if not was_active:
        try:
            _create_pool(pool)
        except libvirt.libvirtError:
            # Another process may have been faster.
            if not pool.isActive():
                raise
    if not pool.autostart():
        pool.setAutostart(1)
    return was_active


def _create_pool(pool: libvirt.virStoragePool) -> None:
    try:
        pool.create(0)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_SYSTEM_ERROR:
            raise
        # Its folder is missing. A build also sets the mode of a folder that is there, so it is not done without need.
        pool.build(libvirt.VIR_STORAGE_POOL_BUILD_NEW)
        pool.create(0)


def _refresh(pool: libvirt.virStoragePool) -> None:
    try:
        pool.refresh(0)
    except libvirt.libvirtError as error:
        # While another volume of the pool is being made, libvirt refuses with an internal error; a refresh that really
        # failed leaves the pool inactive. A file that escapes the look at the names then, libvirt finds itself when it
        # makes the volume.
        if error.get_error_code() != libvirt.VIR_ERR_INTERNAL_ERROR or not pool.isActive():
            raise


def _pool_info(pool: libvirt.virStoragePool) -> PoolInfo:
    state, capacity, _allocation, available = pool.info()
    active = state in (libvirt.VIR_STORAGE_POOL_RUNNING, libvirt.VIR_STORAGE_POOL_DEGRADED)
    path = parse(pool.XMLDesc(0)).findtext("target/path") or ""
    return PoolInfo(pool.name(), path, active, capacity, available)


def _volume_info(volume: libvirt.virStorageVol) -> VolumeInfo:
    _kind, capacity, allocation = volume.info()
    return VolumeInfo(volume.name(), volume.path(), capacity, allocation)


def _volumes(pool: libvirt.virStoragePool) -> list[VolumeInfo]:
    found: list[VolumeInfo] = []
    for volume in pool.listAllVolumes(0):
        try:
            found.append(_volume_info(volume))
        except libvirt.libvirtError as error:
            # It was deleted since the list was made.
            if error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL:
                raise
    return found


def _same_folder(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _is_absent(path: str) -> bool:
    try:
        Path(path).stat()
    except FileNotFoundError:
        return True
    except PermissionError:
        return False  # Without the right to look, libvirt's word counts.
    return False

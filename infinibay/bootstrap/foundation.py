"""What everything stands on: directories, keys, database, hypervisor, and this host's row."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from infinibay.db import rows
from infinibay.db.client import Database, EngineOptions
from infinibay.db.embedded import EmbeddedPostgres
from infinibay.db.hooks import Hooks
from infinibay.db.locks import LockHolder
from infinibay.db.migrate import migrate, pending
from infinibay.errors import HypervisorError, SettingError, Unavailable
from infinibay.log import get_logger
from infinibay.model_callbacks import department, machine
from infinibay.secrets import Vault, open_vault
from infinibay.services.this_host import identify
from infinibay.settings import Settings
from infinibay.virt.api import Hypervisor
from infinibay.virt.hypervisor import LibvirtHypervisor

log = get_logger(__name__)


@dataclass(frozen=True)
class Foundation:
    """The adapters of one process, opened."""

    settings: Settings
    vault: Vault
    database_url: str
    database: Database
    locks: LockHolder
    hypervisor: Hypervisor
    host: rows.Host

    @property
    def machines_dir(self) -> Path:
        """One directory per machine."""
        return self.settings.infinibay_base_dir / "machines"


@asynccontextmanager
async def opened_database(settings: Settings, *, migrates: bool = True) -> AsyncIterator[tuple[str, Database]]:
    """The migrated database and its URL; the embedded one is started if nobody did, and then stopped again."""
    async with AsyncExitStack() as stack:
        database_url = settings.database_url or await _embedded(settings, stack)
        if migrates:
            await migrate(database_url)
        elif await pending(database_url):
            raise Unavailable("The database is that of an older version", remedy="Start the server of this version")
        yield database_url, await stack.enter_async_context(connected(settings, database_url))


@asynccontextmanager
async def foundation(settings: Settings, *, migrates: bool = True) -> AsyncIterator[Foundation]:
    """Opens everything in order and closes it in reverse. Raises SettingError for what the operator must mend, and
    Unavailable for a database that is not migrated and shall not be."""
    make_directories(settings)
    vault = open_vault(settings.key_file)
    async with AsyncExitStack() as stack:
        database_url, database = await stack.enter_async_context(opened_database(settings, migrates=migrates))
        hypervisor = LibvirtHypervisor(settings.libvirt_uri, settings.run_dir)
        await hypervisor.open()
        stack.push_async_callback(hypervisor.close)
        await _check_pool(settings, hypervisor)
        _warm_up(settings, hypervisor, stack)
        locks = LockHolder(database_url)
        stack.push_async_callback(locks.close)
        host = await _this_host(settings, database)
        yield Foundation(settings, vault, database_url, database, locks, hypervisor, host)


async def _this_host(settings: Settings, database: Database) -> rows.Host:
    alone = settings.database_url is None
    return await identify(database, settings.host_id_file, socket.gethostname(), settings.libvirt_uri, alone=alone)


async def _check_pool(settings: Settings, hypervisor: Hypervisor) -> None:
    """A given folder that an existing pool does not have stops the start; while nobody answers, the steps find out."""
    given = settings.infinibay_storage_pool_path
    if given is None:
        return
    try:
        pool = await hypervisor.storage.find_pool(settings.infinibay_storage_pool_name)
    except HypervisorError as error:
        log.warning("start.pool_not_checked", pool=settings.infinibay_storage_pool_name, reason=error.message)
        return
    if pool is not None and not _same_folder(given, pool.path):
        raise SettingError(
            "INFINIBAY_STORAGE_POOL_PATH", f"is {given}, but the pool {pool.name!r} of this host lies in {pool.path}"
        )


def _same_folder(one: Path, other: str) -> bool:
    return one.resolve() == Path(other).resolve()


def _warm_up(settings: Settings, hypervisor: Hypervisor, stack: AsyncExitStack) -> None:
    """Finds out in the background what the first machine would wait for: capabilities, and whether KVM runs guests."""

    async def look() -> None:
        try:
            await hypervisor.domain_type(settings.infinibay_domain_type)
        except HypervisorError as error:
            log.warning("start.hypervisor_not_explored", reason=error.message)

    task = asyncio.create_task(look(), name="warm-up")

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(stop)


async def _embedded(settings: Settings, stack: AsyncExitStack) -> str:
    """PostgreSQL below the base directory, started again should it die."""
    postgres = EmbeddedPostgres.of(settings)
    url = await postgres.start()
    stack.push_async_callback(postgres.stop)
    watcher = asyncio.create_task(postgres.keep_running(), name="postgres-watcher")

    async def stop_watching() -> None:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

    stack.push_async_callback(stop_watching)
    return url


@asynccontextmanager
async def connected(settings: Settings, database_url: str) -> AsyncIterator[Database]:
    """The client of a database, with its query engine."""
    hooks = Hooks()
    machine.register(hooks)
    department.register(hooks)
    database = Database(
        database_url, engine=EngineOptions(settings.run_dir, settings.prisma_query_engine_binary), hooks=hooks
    )
    await database.connect()
    try:
        yield database
    finally:
        await database.disconnect()


def make_directories(settings: Settings) -> None:
    """Makes what is missing below the base directory, whatever the umask is. QEMU's own account passes through base,
    ISOs and machines."""
    wanted = (
        ("INFINIBAY_BASE_DIR", settings.infinibay_base_dir, 0o755),
        ("INFINIBAY_ISO_DIR", settings.infinibay_iso_dir, 0o755),
        ("INFINIBAY_ISO_TEMP_DIR", settings.infinibay_iso_temp_dir, 0o711),
        ("INFINIBAY_BASE_DIR", settings.infinibay_base_dir / "machines", 0o711),
        ("INFINIBAY_BASE_DIR", settings.run_dir, 0o711),
    )
    for variable, directory, mode in wanted:
        try:
            _make(directory, mode)
        except OSError as error:
            raise SettingError(variable, f"can't be used: {error.strerror}: {directory}") from error
        if not os.access(directory, os.W_OK):
            raise SettingError(variable, f"can't be used: {directory} is not writable")


def _make(directory: Path, mode: int) -> None:
    if directory.is_dir():
        return
    for missing in reversed([parent for parent in directory.parents if not parent.is_dir()]):
        _make(missing, 0o755)
    directory.mkdir()
    directory.chmod(mode)

"""What the worker of a host does beside its operations: a sign of life, and the host's restart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from infinibay.db import hosts, machines
from infinibay.db.client import Database
from infinibay.errors import InfinibayError
from infinibay.host.resources import boot_id
from infinibay.log import get_logger
from infinibay.operations.api import NewOperation
from infinibay.operations.engine import OperationEngine
from infinibay.services.machines.records import undrivable
from infinibay.services.machines.status import StatusKeeper
from infinibay.services.readiness import HEARTBEAT_SECONDS

log = get_logger(__name__)


class HostWorker:
    """Runs beside the operation engine in processes that work for a host."""

    def __init__(self, database: Database, engine: OperationEngine, keeper: StatusKeeper, host_id: str) -> None:
        self._database = database
        self._engine = engine
        self._keeper = keeper
        self._host_id = host_id
        self._heartbeat: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins the heartbeat, follows the hypervisor, and starts what must run after a restart of the host."""
        await hosts.worker_seen(self._database, self._host_id, datetime.now(UTC))
        self._heartbeat = asyncio.create_task(self._beat(), name="heartbeat")
        await self._keeper.start()
        await self._autostart()

    async def stop(self) -> None:
        await self._keeper.stop()
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            await asyncio.gather(self._heartbeat, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await hosts.worker_seen(self._database, self._host_id, datetime.now(UTC))
            except InfinibayError as error:
                log.warning("worker.heartbeat_failed", reason=error.message)

    async def _autostart(self) -> None:
        """Machines marked `autostart`, once per boot of the host; filters are verified by the operation."""
        host = await hosts.find(self._database, self._host_id)
        present = boot_id()
        if host is None or host.bootId == present:
            return
        for machine in await machines.autostarting(self._database, self._host_id):
            if (refusal := undrivable(machine)) is not None:
                log.warning("worker.autostart_refused", machine_id=machine.id, reason=refusal)
                continue
            new = NewOperation(kind="power_on", host_id=self._host_id, machine_id=machine.id)
            try:
                await self._engine.request(new)
            except InfinibayError as error:
                log.warning("worker.autostart_refused", machine_id=machine.id, reason=error.message)
        await hosts.set_boot_id(self._database, self._host_id, present)

"""Waits for all installations of a host. What is waited for lies in the database, so a restart forgets none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from infinibay.db import installations
from infinibay.db.client import Database
from infinibay.db.locks import LockHolder
from infinibay.errors import DatabaseUnavailable, Unavailable
from infinibay.log import get_logger
from infinibay.services.installations.watcher import Watcher
from infinibay.virt.api import ConnectionChanged, Hypervisor

log = get_logger(__name__)

_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 2.0


class InstallationKeeper:
    """One worker of a host waits, the others stand by. It takes no place in any queue, so it blocks no verb."""

    def __init__(
        self,
        database: Database,
        hypervisor: Hypervisor,
        lock: LockHolder,
        host_id: str,
        watcher: Callable[[str], Watcher],
    ) -> None:
        self._database = database
        self._hypervisor = hypervisor
        self._lock = lock
        self._host_id = host_id
        self._new_watcher = watcher
        self._watchers: dict[str, Watcher] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._work(), name="installation-keeper")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._lock.close()

    async def _work(self) -> None:
        name = f"installations {self._host_id}"
        while True:
            try:
                if await self._lock.hold(name):
                    await self._while_ours()
            except DatabaseUnavailable as error:
                log.warning("installations.wait_for_database", reason=error.message)
            except Exception:
                # Without it no installation would ever end.
                log.exception("installations.keeper_failed")
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _while_ours(self) -> None:
        """Until the connection that holds the lock is lost, and another may have taken our part."""
        parts = {
            asyncio.create_task(self._lock.lost(), name="installation lock"),
            asyncio.create_task(self._look_for_new(), name="new installations"),
            asyncio.create_task(self._follow(), name="events for installations"),
        }
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            await _cancelled([*parts, *self._tasks.values()])
            self._watchers.clear()
            self._tasks.clear()

    async def _look_for_new(self) -> None:
        """Also what another process heard and wrote. A reader of the feed would have it read every event of all."""
        seen: dict[str, str] = {}
        while True:
            try:
                wanted = await installations.under_way(self._database, self._host_id)
            except Unavailable as error:
                log.warning("installations.wait_for_database", reason=error.message)
            else:
                for machine_id, phase in wanted.items():
                    if machine_id not in self._watchers:
                        self._watch(machine_id)
                    elif seen.get(machine_id) != phase:
                        self._watchers[machine_id].noticed("report")
                seen = wanted
            await asyncio.sleep(_LOOK_SECONDS)

    def _watch(self, machine_id: str) -> None:
        watcher = self._new_watcher(machine_id)
        task = asyncio.create_task(watcher.run(), name=f"installation {machine_id}")
        self._watchers[machine_id], self._tasks[machine_id] = watcher, task

        def ended(task: asyncio.Task[None]) -> None:
            if self._tasks.get(machine_id) is task:
                del self._watchers[machine_id], self._tasks[machine_id]
            if not task.cancelled() and (error := task.exception()) is not None:
                # The next look begins anew.
                log.error("installation.watcher_failed", machine_id=machine_id, exc_info=error)

        task.add_done_callback(ended)

    async def _follow(self) -> None:
        async with self._hypervisor.events() as stream:
            async for event in stream:
                if isinstance(event, ConnectionChanged):
                    for watcher in self._watchers.values():
                        watcher.noticed("connection")
                elif (found := self._watchers.get(event.uuid)) is not None:
                    found.noticed(event.detail)


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

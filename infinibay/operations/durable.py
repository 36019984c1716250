"""The door to DBOS Transact: where its tables lie, what it is asked, and how a worker listens to its host's queue.

Workflows are enqueued without a version, so a new release takes what an old one left waiting. What an old release
left half-done is started over from its beginning (`takeover`), because only the same version can replay its steps.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from infinibay.db.connections import libpq_url
from infinibay.errors import DatabaseUnavailable
from infinibay.log import get_logger
from infinibay.operations.bell import Bell
from infinibay.operations.serializer import JsonSerializer

log = get_logger(__name__)
# Raise it whenever steps are added, removed, renamed or reordered within `run_operation`.
APPLICATION_VERSION = "4"
SCHEMA = "dbos"
WORKFLOW = "run_operation"
_FIRST, _ORDINARY = 1, 2
_POLLING_SECONDS = 0.03
_REPEAT_SECONDS, _MOST_REMEMBERED = 60.0, 100
# A record takes milliseconds. Without a limit, one that is never answered would leave its operation in hand for ever.
_RECORD_SECONDS = 60.0
# Who was claimed may wait for another operation, which must never be the one that finds no room; how many work at once
# is the steps' own limit.
_NO_LIMIT = 10_000


@dataclass(frozen=True)
class Work:
    """What the durable engine knows of one operation; `state` is its own word (ENQUEUED, PENDING, SUCCESS, …)."""

    operation_id: str
    state: str
    executor_id: str | None
    version: str | None


def queue_name(host_id: str) -> str:
    return f"host-{host_id}"


class DurableQueue:
    """Puts operations into the queues of hosts and asks what became of them. Usable in every role.

    Every method raises DatabaseUnavailable when the database does not answer.
    """

    def __init__(self, database_url: str, bell: Bell | None = None) -> None:
        """`bell` is the one of this process's worker."""
        self._url = libpq_url(database_url)
        self._bell = bell or Bell()
        self._client: DBOSClient | None = None

    async def open(self) -> None:
        """Makes or migrates the engine's tables and connects."""
        _quiet()
        await asyncio.to_thread(DBOS.migrate, self._url, schema=SCHEMA)
        self._client = await asyncio.to_thread(
            lambda: DBOSClient(
                system_database_url=self._url,
                dbos_system_schema=SCHEMA,
                serializer=JsonSerializer(),
                retry_connection_errors=False,
            )
        )

    async def close(self) -> None:
        if self._client is not None:
            await asyncio.to_thread(self._client.destroy)
            self._client = None

    async def declare(self, host_id: str) -> None:
        """Makes a host's queue, or changes its limit; a worker that starts afterwards listens to it at once."""
        with _answering():
            await self._connected().register_queue_async(
                queue_name(host_id),
                partition_concurrency=1,
                worker_concurrency=_NO_LIMIT,
                polling_interval_sec=_POLLING_SECONDS,
                application_name=_application(host_id),
            )

    async def enqueue(self, operation_id: str, *, host_id: str, partition: str, first: bool = False) -> None:
        """Puts it into its host's queue, once. `first`: before what waits in the same partition."""
        with _answering():
            await self._connected().enqueue_async(
                {
                    "workflow_name": WORKFLOW,
                    "queue_name": queue_name(host_id),
                    "workflow_id": operation_id,
                    "queue_partition_key": partition,
                    "priority": _FIRST if first else _ORDINARY,
                    "application_name": _application(host_id),
                },
                operation_id,
            )
        self._bell.ring()

    async def running(self, host_id: str) -> list[Work]:
        """What executors of this host have claimed and not ended, whether they live or not."""
        with _answering():
            found = await self._connected().list_workflows_async(
                queue_name=queue_name(host_id), status="PENDING", load_input=False, load_output=False
            )
        return [_work(status) for status in found]

    async def known(self, operation_ids: Sequence[str]) -> dict[str, Work]:
        """What the engine knows of these operations."""
        if not operation_ids:
            return {}
        with _answering():
            found = await self._connected().list_workflows_async(
                workflow_ids=list(operation_ids), load_input=False, load_output=False
            )
        return {status.workflow_id: _work(status) for status in found}

    async def resume(self, operation_id: str, host_id: str) -> None:
        """Gives it back to the queue, where it goes on at the interrupted step."""
        with _answering():
            await self._connected().resume_workflow_async(operation_id, queue_name=queue_name(host_id))
        self._bell.ring()

    async def forget(self, operation_ids: Sequence[str]) -> None:
        """Removes the engine's records of these operations."""
        if operation_ids:
            with _answering():
                await self._connected().delete_workflows_async(list(operation_ids))

    def _connected(self) -> DBOSClient:
        if self._client is None:
            raise RuntimeError("the durable queue is not open")
        return self._client


class DurableWorker:
    """Listens to one host's queue and runs each claimed operation on this process's event loop."""

    def __init__(self, database_url: str, host_id: str, bell: Bell, *, version: str) -> None:
        self._url = libpq_url(database_url)
        self._host_id = host_id
        self._bell = bell
        self._version = version

    async def start(self, executor_id: str, run: Callable[[str], Awaitable[None]]) -> None:
        """Begins to take operations. Call it in the event loop that shall run them."""
        _quiet()
        engine = DBOS(config=self._config(executor_id))
        DBOS.workflow(name=WORKFLOW)(_workflow(run))
        DBOS.listen_queues([queue_name(self._host_id)])
        # Launching adopts the running loop, so it can't move to a thread; it takes about 50 ms.
        DBOS.launch()
        self._bell.hang(engine.background_thread_stop_events)
        await DBOS.set_latest_application_version_async(_stored_version(self._host_id, self._version))

    async def stop(self) -> None:
        """Takes no more operations; what runs must have been stopped before."""
        self._bell.stop()
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        # The engine had made its own threads the loop's default ones and has just ended them.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))

    def _config(self, executor_id: str) -> DBOSConfig:
        return DBOSConfig(
            name=_application(self._host_id),
            system_database_url=self._url,
            dbos_system_schema=SCHEMA,
            application_version=_stored_version(self._host_id, self._version),
            executor_id=executor_id,
            serializer=JsonSerializer(),
            enable_otlp=False,
            # A stale connection fails its statement, which the engine repeats; asking before each one costs more.
            db_engine_kwargs={"pool_pre_ping": False},
            log_level="WARNING",
        )


async def step(name: str, body: Callable[[], Awaitable[Any]]) -> Any:
    """Runs `body` as a step of the running workflow: once its outcome (JSON) is recorded, it is never run again.

    Raises CancelledError, which interrupts the workflow, when the engine neither reads nor writes its record in time.
    """
    clock = asyncio.get_running_loop().time

    async def recorded() -> Any:
        limit.reschedule(None)
        try:
            return await body()
        finally:
            limit.reschedule(clock() + _RECORD_SECONDS)

    try:
        async with asyncio.timeout(_RECORD_SECONDS) as limit:
            return await DBOS.run_step_async({"name": name}, recorded)
    except TimeoutError:
        if not limit.expired():
            raise
        # Where the task and the engine's threads stood is all that would tell why.
        log.exception("operation.record_given_up", step=name, threads=_engine_threads())
        raise asyncio.CancelledError from None


def _engine_threads() -> dict[str, str]:
    """The stacks of the threads in which the durable engine asks its database."""
    frames = sys._current_frames()  # noqa: SLF001 - its documentation names this use: what threads stand still at
    threads = [one for one in threading.enumerate() if one.name.startswith("dbos-executor") and one.ident in frames]
    return {one.name: "".join(traceback.format_stack(frames[one.ident or 0])) for one in threads}


def _workflow(run: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    async def run_operation(operation_id: str) -> None:
        await run(operation_id)

    return run_operation


def _application(host_id: str) -> str:
    # Each host's worker counts as an application of its own, because hosts are upgraded one after the other.
    return f"infinibay-{host_id}"


def _stored_version(host_id: str, version: str) -> str:
    # The engine wants the versions of different applications to differ.
    return f"{version}@{host_id}"


def _work(status: Any) -> Work:
    version = status.app_version
    return Work(status.workflow_id, status.status, status.executor_id, version.partition("@")[0] if version else None)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, NoFreeConnection) as error:
        raise DatabaseUnavailable(f"The durable engine's database does not answer: {error}") from error


class _Seldom(logging.Filter):
    """Lets the same words pass once a minute: the engine complains of an absent database at every look at its queue."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        words = record.getMessage()
        if record.created - self._told.get(words, 0.0) < _REPEAT_SECONDS:
            return False
        if len(self._told) >= _MOST_REMEMBERED:
            self._told.clear()
        self._told[words] = record.created
        return True


_SELDOM = _Seldom()


def _quiet() -> None:
    """Sends the engine's log lines, from warnings upwards, the way of all others."""
    logger = logging.getLogger("dbos")
    # Without a handler it would add one of its own that writes to stderr in another format.
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.addFilter(_SELDOM)
    logger.setLevel(logging.WARNING)

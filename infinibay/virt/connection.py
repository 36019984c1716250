"""The one door to libvirt: threads with deadlines, and a connection that heals itself.

Coroutines give functions of a `virConnect`; they run in a thread of this door, and only plain values come back.
libvirt's objects die with their connection, so nobody keeps one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import libvirt

from infinibay import metrics
from infinibay.errors import DeadlineExceeded, HypervisorUnavailable, InfinibayError
from infinibay.log import get_logger
from infinibay.virt import errors, event_loop
from infinibay.virt.api import ConnectionChanged, DomainChanged
from infinibay.virt.subscriptions import Subscriptions
from infinibay.virt.threads import CallThreads

log = get_logger(__name__)

T = TypeVar("T")

# libvirtd stops reading from a client with 5 requests under way (its max_client_requests), keepalive included, and then
# closes the connection: measured after 30 s with 5 slow calls, never with 4. So 4 at once; one of them is only for
# questions, which would else wait behind slow starts.
_QUERY_THREADS = 1
_CHANGE_THREADS = 3

_KEEPALIVE_SECONDS = 5
_KEEPALIVE_COUNT = 3
_FIRST_ATTEMPT_SECONDS = 10
_FIRST_DELAY = 0.05
_LONGEST_DELAY = 5.0

_DOMAIN_EVENTS = {
    libvirt.VIR_DOMAIN_EVENT_DEFINED: "defined",
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: "undefined",
    libvirt.VIR_DOMAIN_EVENT_STARTED: "started",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: "suspended",
    libvirt.VIR_DOMAIN_EVENT_RESUMED: "resumed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED: "stopped",
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: "pmsuspended",
    libvirt.VIR_DOMAIN_EVENT_CRASHED: "crashed",
}


class Kind(Enum):
    """Kinds of calls, which differ in how long they may take; the value is the field of `Deadlines`."""

    QUERY = "query"
    CHANGE = "change"
    START = "start"
    STORAGE = "storage"


@dataclass(frozen=True)
class Deadlines:
    """Seconds per kind of call, waiting for a thread included.

    A storage call may allocate a whole disk. A change may wait until libvirtd has examined QEMU anew, which takes it
    most of a minute on a slow host.
    """

    query: float = 30
    change: float = 120
    start: float = 180
    storage: float = 1800

    def of(self, kind: Kind) -> float:
        seconds: float = getattr(self, kind.value)
        return seconds


class Connection:
    """A connection to one URI, kept open by a task of its own. Belongs to the asyncio loop that opens it."""

    def __init__(self, uri: str, deadlines: Deadlines) -> None:
        self.uri = uri
        self.subscriptions = Subscriptions(lambda: self.connected)
        self._deadlines = deadlines
        self._queries = CallThreads(_QUERY_THREADS, "libvirt-query")
        self._changes = CallThreads(_CHANGE_THREADS, "libvirt-change")
        # Opening can hang on a daemon that hangs; it must not take a thread from the calls.
        self._opener = CallThreads(1, "libvirt-open")
        self._current: libvirt.virConnect | None = None
        self._callback_ids: tuple[int, ...] = ()
        self._lost = asyncio.Event()
        self._tried = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._last_failure: str | None = None
        self._generation = 0

    @property
    def connected(self) -> bool:
        return self._current is not None

    @property
    def generation(self) -> int:
        """Counts the connections that were made; what was learnt from an older one may be outdated."""
        return self._generation

    @property
    def is_test_driver(self) -> bool:
        return urlsplit(self.uri).scheme == "test"

    @property
    def is_local(self) -> bool:
        """Whether the hypervisor's files are this machine's files."""
        return not self.is_test_driver and not urlsplit(self.uri).netloc

    async def open(self) -> None:
        """Starts the keeper and waits for the end of its first attempt, but not for its success."""
        loop = asyncio.get_running_loop()
        self._inbox: event_loop.Inbox[DomainChanged] = event_loop.Inbox(
            loop, self.subscriptions.publish, self.subscriptions.start_over
        )
        self._loop = loop
        self._keeper = asyncio.create_task(self._keep(), name="libvirt-keeper")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), _FIRST_ATTEMPT_SECONDS)

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
            self._keeper = None
        if (connection := self._current) is not None:
            self._current = None
            self.subscriptions.publish(ConnectionChanged(connected=False))
            await self._dispose(connection)
        for threads in (self._queries, self._changes, self._opener):
            threads.close()

    async def call(
        self,
        kind: Kind,
        function: Callable[[libvirt.virConnect], T],
        *,
        seconds: float | None = None,
        counted_as: Callable[..., object] | None = None,
    ) -> T:
        """Runs `function` with the connection in a thread, counted under its name or that of the one that it wraps.

        A caller that is cancelled waits for a call that runs, so that nothing happens behind its back; one that has
        not begun is dropped. Raises HypervisorUnavailable while there is no connection, DeadlineExceeded when the
        answer does not come in time (the call itself goes on and may still take effect), and the errors of `errors`.
        """
        name = metrics.call_label(counted_as or function)
        with _errors_counted(name):
            return await self._call(kind, function, seconds, name)

    async def _call(
        self, kind: Kind, function: Callable[[libvirt.virConnect], T], seconds: float | None, name: str
    ) -> T:
        connection = self._current
        if connection is None:
            raise HypervisorUnavailable(self._absence())
        threads = self._queries if kind is Kind.QUERY else self._changes
        job = threads.submit(partial(self._guarded, connection, function, name))
        limit = seconds if seconds is not None else self._deadlines.of(kind)
        future = await _settle(job, limit)
        if future.done():
            return future.result()
        job.cancel()
        future.add_done_callback(_log_late_end)
        raise DeadlineExceeded(f"The hypervisor did not answer within {limit:g} s; the call may still take effect.")

    def _absence(self) -> str:
        reason = f": {self._last_failure}" if self._last_failure else "."
        return f"The hypervisor at {self.uri} is not connected at present{reason}"

    def _guarded(self, connection: libvirt.virConnect, function: Callable[[libvirt.virConnect], T], name: str) -> T:
        try:
            with metrics.timed(metrics.LIBVIRT_SECONDS.labels(name)):
                return function(connection)
        except libvirt.libvirtError as error:
            ours = errors.translate(error)
            if not isinstance(ours, HypervisorUnavailable) and not _is_alive(connection):
                ours = HypervisorUnavailable(f"The connection to the hypervisor is lost: {error}")
            if isinstance(ours, HypervisorUnavailable):
                self._loop.call_soon_threadsafe(self._mark_lost, connection, str(error))
            raise ours from error

    async def _keep(self) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                connection, self._callback_ids = await asyncio.wrap_future(self._opener.submit(self._open_and_register))
            except InfinibayError as error:
                self._note_failure(error.message)
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
                continue
            delay = _FIRST_DELAY
            await self._serve(connection)

    async def _serve(self, connection: libvirt.virConnect) -> None:
        """Offers a connection until it is lost."""
        self._lost.clear()
        self._last_failure = None
        self._generation += 1
        self._current = connection
        self._tried.set()
        log.info("virt.connected", uri=self.uri)
        self.subscriptions.publish(ConnectionChanged(connected=True))
        if not _is_alive(connection):
            self._mark_lost(connection, "it was closed while it was set up")
        with metrics.LIBVIRT_CONNECTED.track_inprogress():
            await self._lost.wait()
        log.warning("virt.connection_lost", uri=self.uri, reason=self._last_failure)
        self.subscriptions.publish(ConnectionChanged(connected=False))
        await self._dispose(connection)

    def _note_failure(self, reason: str) -> None:
        if reason != self._last_failure or not self._tried.is_set():
            log.warning("virt.connect_failed", uri=self.uri, reason=reason)
        self._last_failure = reason
        self._tried.set()

    def _mark_lost(self, connection: libvirt.virConnect, reason: str) -> None:
        if connection is self._current:
            self._current = None
            self._last_failure = reason
            self._lost.set()

    def _open_and_register(self) -> tuple[libvirt.virConnect, tuple[int, ...]]:
        event_loop.ensure_running()
        try:
            connection = libvirt.open(self.uri)
            try:
                _set_keepalive(connection)
                # Registrations belong to one connection; each new one needs them again.
                connection.registerCloseCallback(self._on_close, None)
                callback_ids = (
                    connection.domainEventRegisterAny(
                        None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle, None
                    ),
                    # A restart of the guest is no part of the lifecycle: the domain runs on.
                    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._on_reboot, None),
                    connection.domainEventRegisterAny(
                        None, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, self._on_agent, None
                    ),
                )
            except libvirt.libvirtError:
                connection.close()
                raise
        except libvirt.libvirtError as error:
            raise errors.translate(error) from error
        return connection, callback_ids

    def _on_close(self, connection: libvirt.virConnect, reason: int, _opaque: object) -> None:
        """Runs in the native event thread."""
        words = {
            libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "I/O error",
            libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "closed by the hypervisor",
            libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "keepalive went unanswered",
            libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT: "closed by us",
        }
        # A RuntimeError says that the asyncio loop is closed: the process is ending.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._mark_lost, connection, words.get(reason, str(reason)))

    def _on_lifecycle(
        self, _connection: libvirt.virConnect, domain: libvirt.virDomain, event: int, _detail: int, _opaque: object
    ) -> None:
        """Runs in the native event thread."""
        self._inbox.put(DomainChanged(domain.UUIDString(), _DOMAIN_EVENTS.get(event, str(event))))

    def _on_reboot(self, _connection: libvirt.virConnect, domain: libvirt.virDomain, _opaque: object) -> None:
        """Runs in the native event thread."""
        self._inbox.put(DomainChanged(domain.UUIDString(), "rebooted"))

    def _on_agent(
        self, _connection: libvirt.virConnect, domain: libvirt.virDomain, state: int, _reason: int, _opaque: object
    ) -> None:
        """Runs in the native event thread. The agent has opened its port, which does not mean that it answers."""
        if state == libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED:
            self._inbox.put(DomainChanged(domain.UUIDString(), "agent"))

    async def _dispose(self, connection: libvirt.virConnect) -> None:
        await _settle(self._opener.submit(partial(_close, connection, self._callback_ids)), _KEEPALIVE_SECONDS)


@contextlib.contextmanager
def _errors_counted(name: str) -> Iterator[None]:
    try:
        yield
    except InfinibayError as error:
        metrics.LIBVIRT_ERRORS.labels(name, type(error).__name__).inc()
        raise


async def _settle(job: Future[T], seconds: float) -> asyncio.Future[T]:
    """Waits until the job is done or the time is over; a cancellation drops a job that has not begun, else it waits."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    future = asyncio.wrap_future(job)
    cancelled: asyncio.CancelledError | None = None
    while not future.done() and (left := end - loop.time()) > 0:
        try:
            await asyncio.wait({future}, timeout=left)
        except asyncio.CancelledError as error:
            cancelled = error
            # Cancelling `future` instead would turn away from a job that runs.
            job.cancel()
    if cancelled is not None:
        future.add_done_callback(_log_late_end)
        raise cancelled
    return future


def _log_late_end(future: asyncio.Future[T]) -> None:
    """Takes the outcome of a call whose caller has gone, so that it is not lost without a trace."""
    if not future.cancelled() and (error := future.exception()) is not None:
        log.warning("virt.abandoned_call_failed", reason=str(error))


def _is_alive(connection: libvirt.virConnect) -> bool:
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def _set_keepalive(connection: libvirt.virConnect) -> None:
    try:
        connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        # Drivers that live in our own process have no line that could go silent.
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise


def _close(connection: libvirt.virConnect, callback_ids: tuple[int, ...]) -> None:
    # On a dead connection all of this fails, and its memory is freed all the same.
    for callback_id in callback_ids:
        with contextlib.suppress(libvirt.libvirtError):
            connection.domainEventDeregisterAny(callback_id)
    with contextlib.suppress(libvirt.libvirtError):
        connection.unregisterCloseCallback()
    with contextlib.suppress(libvirt.libvirtError):
        connection.close()

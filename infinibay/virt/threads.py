"""Threads for calls that block. They are daemons: a call that never returns must not keep the process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from infinibay import metrics

T = TypeVar("T")


class CallThreads:
    """At most `count` calls at once, in the order in which they came; threads are started as they are needed."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._calls = metrics.POOL_CALLS.labels(name)
        metrics.POOL_THREADS.labels(name).set(count)
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Queues a call; cancelling the future drops it unless it has begun."""
        future: Future[T] = Future()
        self._calls.inc()
        future.add_done_callback(lambda _: self._calls.dec())
        self._jobs.put((future, function))
        if len(self._threads) < self._count:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def close(self) -> None:
        """Lets every thread end after the calls that are queued; does not wait."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - whatever a call raises belongs to its caller
                future.set_exception(error)
            else:
                future.set_result(result)
            # A waiting thread must not keep the last call's objects, such as a connection, alive.
            del job, future, function

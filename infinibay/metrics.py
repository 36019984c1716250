"""What the process counts and times, for Prometheus; every layer may count here, as every layer may log.

Labels come from fixed sets alone (routes, root fields, kinds, steps, codes): never texts, names, ids or addresses of
users, so that the number of series is bounded and nothing private is among them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST
Family: TypeAlias = Metric
_QUICK = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_LONG = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_LAG = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
_LAG_LOOK_SECONDS = 0.25

# The moments in which series began would double their number.
disable_created_metrics()  # type: ignore[no-untyped-call]
_registry = CollectorRegistry()
for collector in (ProcessCollector, GCCollector, PlatformCollector):
    collector(registry=_registry)

HTTP_SECONDS = Histogram(
    "infinibay_http_request_duration_seconds",
    "HTTP requests by route and status",
    ["method", "route", "status"],
    buckets=_QUICK,
    registry=_registry,
)
WEBSOCKETS = Gauge("infinibay_websocket_connections", "Open WebSocket connections", registry=_registry)
SUBSCRIPTIONS = Gauge(
    "infinibay_graphql_subscriptions", "Running GraphQL subscriptions by root field", ["field"], registry=_registry
)
FIELD_SECONDS = Histogram(
    "infinibay_graphql_field_duration_seconds",
    "GraphQL operations by root field, permission included",
    ["operation", "field"],
    buckets=_QUICK,
    registry=_registry,
)
FIELDS = Counter(
    "infinibay_graphql_fields",
    "GraphQL operations by root field and outcome: ok, refused (a verb's success: false) or an error's code",
    ["operation", "field", "outcome"],
    registry=_registry,
)
GRAPHQL_ERRORS = Counter(
    "infinibay_graphql_errors", "Errors in GraphQL answers by their code", ["code"], registry=_registry
)
OPERATION_SECONDS = Histogram(
    "infinibay_operation_duration_seconds",
    "Durable operations that this process ended, from their first step to their end",
    ["kind", "outcome"],
    buckets=_LONG,
    registry=_registry,
)
STEP_SECONDS = Histogram(
    "infinibay_operation_step_duration_seconds",
    "Steps of durable operations that this process ran, waiting for their budget included",
    ["kind", "step", "outcome"],
    buckets=_LONG,
    registry=_registry,
)
LIBVIRT_SECONDS = Histogram(
    "infinibay_libvirt_call_duration_seconds",
    "Calls of the hypervisor by name, without waiting for a thread",
    ["call"],
    buckets=_QUICK,
    registry=_registry,
)
LIBVIRT_ERRORS = Counter(
    "infinibay_libvirt_call_errors",
    "Calls of the hypervisor that failed, by name and kind of error",
    ["call", "error"],
    registry=_registry,
)
LIBVIRT_CONNECTED = Gauge(
    "infinibay_libvirt_connected", "1 while the hypervisor's connection stands", registry=_registry
)
POOL_THREADS = Gauge("infinibay_thread_pool_threads", "Most threads of a pool", ["pool"], registry=_registry)
POOL_CALLS = Gauge(
    "infinibay_thread_pool_calls",
    "Calls given to a pool and not ended; those beyond its threads wait",
    ["pool"],
    registry=_registry,
)
LOOP_LAG_SECONDS = Histogram(
    "infinibay_event_loop_lag_seconds",
    f"How late the event loop was, looked at each {_LAG_LOOK_SECONDS} s",
    buckets=_LAG,
    registry=_registry,
)


def call_label(function: Callable[..., Any]) -> str:
    """`module.name` of a function; one that is made inside another counts under the outer one's name, an object that
    can be called under its class's."""
    full: str = getattr(function, "__qualname__", type(function).__qualname__)
    outer = full.partition(".<locals>")[0].rpartition(".")[2]
    return f"{function.__module__.rpartition('.')[2]}.{outer.lstrip('_')}"


@contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observes how long the block takes, however it ends. The histogram has its labels already."""
    began = time.perf_counter()
    try:
        yield
    finally:
        histogram.observe(time.perf_counter() - began)


async def watch_loop() -> None:
    """Measures the event loop's lag until it is cancelled."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(_LAG_LOOK_SECONDS)
        LOOP_LAG_SECONDS.observe(max(0.0, time.perf_counter() - began - _LAG_LOOK_SECONDS))


def gauge(name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]) -> Family:
    """A gauge whose values were read elsewhere, keyed by the values of its labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


class _Everything:
    def __init__(self, more: Iterable[Metric]) -> None:
        self._more = more

    def collect(self) -> Iterator[Metric]:
        yield from _registry.collect()
        yield from self._more


def exposition(more: Iterable[Metric]) -> bytes:
    """Everything in Prometheus' text format, with families that were read for this answer."""
    return generate_latest(_Everything(more))

from __future__ import annotations

import asyncio
import time

import pytest

from infinibay import metrics
from tests.support.figures import of_this_process
from tests.support.wait import until


class Callable:
    def __call__(self) -> None: ...

    def _method(self) -> None: ...


def _function() -> None: ...


@pytest.mark.parametrize(
    ("function", "label"),
    [
        (_function, "test_metrics.function"),
        (lambda: None, "test_metrics.<lambda>"),
        (Callable()._method, "test_metrics.method"),
        (Callable(), "test_metrics.Callable"),
    ],
)
def test_a_call_is_named_by_module_and_function(function: object, label: str) -> None:
    assert metrics.call_label(function) == label  # type: ignore[arg-type]


def test_what_is_made_inside_a_function_counts_under_its_name() -> None:
    assert metrics.call_label(lambda: None) == "test_metrics.test_what_is_made_inside_a_function_counts_under_its_name"


def test_time_is_observed_however_the_block_ends() -> None:
    name = "infinibay_libvirt_call_duration_seconds"
    with pytest.raises(ValueError, match="broken"), metrics.timed(metrics.LIBVIRT_SECONDS.labels("timed")):
        raise ValueError("broken")
    assert of_this_process(f"{name}_count", call="timed") == 1


async def test_the_lag_of_a_blocked_loop_is_seen() -> None:
    def slow() -> float:
        late = of_this_process("infinibay_event_loop_lag_seconds_count")
        return late - of_this_process("infinibay_event_loop_lag_seconds_bucket", le="0.1")

    before, watcher = slow(), asyncio.create_task(metrics.watch_loop())
    try:
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251 - blocking the loop is the point
        await until(lambda: slow() > before)
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)

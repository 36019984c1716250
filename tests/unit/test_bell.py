"""The bell that tells the durable engine when to look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from infinibay.operations import bell as module
from infinibay.operations.bell import Bell

SHORT, NEVER = 0.1, 60.0


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def bell(stop: threading.Event) -> Iterator[Bell]:
    bell = Bell()
    bell.hang([stop])
    yield bell
    bell.stop()


@pytest.fixture
def waiting(bell: Bell, stop: threading.Event) -> Iterator[Callable[[], Future[bool]]]:
    """Begins to wait in another thread."""
    with ThreadPoolExecutor(1) as threads:
        yield lambda: threads.submit(stop.wait, SHORT)
        bell.stop()


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on, and nobody looks by himself."""
    monkeypatch.setattr(module, "_LATELY_SECONDS", 0.0)
    monkeypatch.setattr(module, "_IDLE_SECONDS", NEVER)


def test_while_something_goes_on_the_wait_is_as_short_as_was_asked(waiting: Callable[[], Future[bool]]) -> None:
    assert waiting().result(NEVER) is False


@pytest.mark.usefixtures("idle")
def test_while_nothing_goes_on_it_lasts_until_the_ring(
    bell: Bell, waiting: Callable[[], Future[bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = waiting()
    with pytest.raises(TimeoutError):
        look.result(2 * SHORT)
    monkeypatch.setattr(module, "_LATELY_SECONDS", NEVER)
    bell.ring()
    assert look.result(NEVER) is False


def test_a_ring_during_a_look_is_answered_by_another_one(
    bell: Bell, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST", NEVER)
    bell.ring()
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(stop.wait, NEVER).result(NEVER / 2) is False


@pytest.mark.usefixtures("idle")
def test_the_end_is_not_waited_for(bell: Bell, waiting: Callable[[], Future[bool]]) -> None:
    look = waiting()
    bell.stop()
    assert look.result(NEVER) is True


@pytest.mark.usefixtures("idle")
def test_long_waits_are_left_alone(bell: Bell, stop: threading.Event) -> None:
    bell.ring()
    assert stop.wait(2 * module._LONGEST) is False

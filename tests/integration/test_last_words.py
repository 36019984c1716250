"""A guest counts by what it said, even when its power-off is heard before its words, or nobody listened for a time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from infinibay.services.installations import watcher
from infinibay.services.installations.finish import FINISH
from tests.support.wait import until
from tests.support.watching import Installing, watched
from tests.support.whole import Whole

_INSTALLED = b'{"event":"installed"}\n'
_OFF = "The machine powered off before its installer had finished"


@pytest.fixture
def begun() -> tuple[str, str, int]:
    """The system, the phase that it is in and for how many seconds it has been."""
    return "ubuntu", "installing", 0


@pytest.fixture
async def machine(product: Whole, begun: tuple[str, str, int]) -> AsyncIterator[Installing]:
    async with watched(product, *begun) as made:
        yield made


async def test_a_report_behind_the_power_off_counts(machine: Installing) -> None:
    await machine.powers_off()
    assert (await machine.state())[:2] == ("installing", "installing")

    machine.guest.said.put_nowait(_INSTALLED)
    machine.guest.said.put_nowait(None)

    await until(lambda: machine.operations.kinds, 5, "the end of the installer")
    assert machine.operations.kinds[0] == FINISH
    assert await machine.state() == ("installing", "ending", None)


async def test_the_end_of_the_port_tells_that_nothing_more_comes(
    machine: Installing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 600.0)
    await machine.powers_off()
    assert await machine.state() == ("installing", "installing", None)

    machine.guest.said.put_nowait(None)

    await until(machine.has_failed, 5, "the failure")
    assert await machine.state() == ("failed", None, _OFF)


async def test_a_port_that_does_not_end_is_not_waited_for_without_end(
    machine: Installing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 0.05)
    await machine.powers_off()

    await until(machine.has_failed, 5, "the failure")
    assert await machine.state() == ("failed", None, _OFF)


async def test_what_was_said_while_the_hypervisor_was_away_is_not_taken_for_silence(machine: Installing) -> None:
    machine.guest.is_away = True
    machine.guest.said.put_nowait(None)
    await until(lambda: not machine.watcher._listening, 5, "the end of the port")
    machine.watcher.noticed("connection")

    await machine.powers_off()

    await until(lambda: machine.operations.kinds, 5, "the end of the installer")
    assert await machine.state() == ("installing", "ending", None)


@pytest.mark.parametrize("begun", [("ubuntu", "booting", 700)])
async def test_an_installer_that_nobody_heard_begin_has_its_whole_time(machine: Installing) -> None:
    machine.guest.said.put_nowait(b'{"event":"started"}\n')

    await until(lambda: machine.is_in("installing"), 5, "the begin of the installer")
    assert machine.operations.kinds == []


@pytest.mark.parametrize("begun", [("ubuntu", "installing", 7000)])
async def test_a_guest_that_waited_for_the_server_is_heard_before_its_time_is_over(
    machine: Installing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 600.0)
    machine.guest.said.put_nowait(_INSTALLED)

    await until(lambda: machine.is_in("ending"), 5, "the end of the installer")


@pytest.mark.parametrize("begun", [("ubuntu", "installing", 7000)])
async def test_one_that_says_nothing_more_fails(machine: Installing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 0.05)
    machine.watcher.noticed("connection")

    await until(machine.has_failed, 5, "the failure")
    assert await machine.state() == ("failed", None, "The installer did not finish within 6000 s")


@pytest.mark.parametrize("begun", [("windows10", "booting", 7000)])
async def test_windows_that_answers_has_come_to_its_first_logon(machine: Installing) -> None:
    machine.guest.has_agent = True
    machine.watcher.noticed("agent")

    await until(lambda: machine.is_in("first-boot"), 5, "the first boot")
    assert machine.operations.kinds == []

"""A machine that is being installed may be powered off, paused and started again: only the time in which its guest
runs counts, and only a power-off that nobody asked for says anything."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from infinibay.services.installations import watcher
from infinibay.services.installations.finish import FINISH
from infinibay.virt.api import DomainInfo, DomainState
from tests.support.wait import until
from tests.support.watching import Installing, watched
from tests.support.whole import Whole

_OFF = "The machine powered off before its installer had finished"
_LATE = "The installed system did not report within 600 s"


@pytest.fixture
def begun() -> tuple[str, str, int]:
    """The system, the phase that it is in and for how many seconds it has been."""
    return "ubuntu", "installing", 0


@pytest.fixture
async def machine(
    product: Whole, begun: tuple[str, str, int], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Installing]:
    """One whose guest is believed as soon as it has been looked at twice."""
    monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 0.0)
    async with watched(product, *begun) as made:
        yield made


_INSTALLERS = pytest.mark.parametrize("begun", [("ubuntu", "installing", 0), ("ubuntu", "booting", 0)])


@_INSTALLERS
@pytest.mark.parametrize(
    "verbs",
    [
        [("power_off", "SUCCEEDED", None), ("power_on", "FAILED", "start")],
        [("force_power_off", "SUCCEEDED", None), ("reset", "FAILED", "reset")],
        [("power_off", "SUCCEEDED", None), ("move", "SUCCEEDED", None)],
        [("power_off", "SUCCEEDED", None), ("power_on", "CANCELLED", "prepare")],
        [("power_off", "SUCCEEDED", None), ("power_on", "RUNNING", None)],
        [("power_off", "RUNNING", None)],
        [("restart", "RUNNING", None)],
        [("restart", "FAILED", "start")],
    ],
)
async def test_a_stop_that_somebody_asked_for_says_nothing_whatever_is_asked_behind_it(
    machine: Installing, begun: tuple[str, str, int], verbs: list[tuple[str, str, str | None]]
) -> None:
    await _asked(machine, verbs)
    await machine.powers_off()
    await machine.looked_at()

    assert await machine.is_in(begun[1])
    assert machine.operations.kinds == []


@pytest.mark.parametrize(
    "verbs",
    [
        [("power_off", "SUCCEEDED", None), ("power_on", "SUCCEEDED", None)],
        [("power_off", "FAILED", "shutdown")],
        [("restart", "SUCCEEDED", None)],
        [("restart", "FAILED", "shutdown")],
        [("move", "SUCCEEDED", None)],
    ],
)
async def test_one_that_nobody_asked_for_does(machine: Installing, verbs: list[tuple[str, str, str | None]]) -> None:
    await _asked(machine, verbs)
    await machine.powers_off()

    await until(machine.has_failed, 5, "the failure")
    assert await machine.state() == ("failed", None, _OFF)


async def test_a_look_at_the_moment_of_a_start_says_nothing(
    machine: Installing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await machine.asked("power_off")
    await machine.powers_off()
    await machine.looked_at()
    states = iter([DomainState.SHUTOFF])

    async def find(uuid: str) -> DomainInfo:
        machine.guest.looks += 1
        if (seen := next(states, DomainState.RUNNING)) is DomainState.SHUTOFF:
            await machine.asked("power_on")
        return DomainInfo(uuid, "a-guest", seen)

    monkeypatch.setattr(machine.guest, "find", find)
    await machine.looked_at()

    assert await machine.is_in("installing")


@pytest.mark.parametrize(
    "begun", [("ubuntu", "booting", 9000), ("ubuntu", "installing", 9000), ("ubuntu", "first-boot", 9000)]
)
@pytest.mark.parametrize("stands", ["off", "paused"])
async def test_no_time_passes_while_the_guest_stands_still(
    product: Whole, begun: tuple[str, str, int], stands: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched(product, *begun) as machine:
        await machine.asked("power_off" if stands == "off" else "suspend")
        machine.guest.is_off, machine.guest.is_paused = stands == "off", stands == "paused"
        machine.watcher.noticed(stands)
        await machine.looked_at()
        monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 0.0)
        await machine.looked_at()
        assert await machine.is_in(begun[1])

        machine.guest.is_off = machine.guest.is_paused = False
        await machine.looked_at()

        assert await machine.is_in(begun[1])
        assert machine.operations.kinds == []


@pytest.mark.parametrize("begun", [("ubuntu", "first-boot", 9000)])
@pytest.mark.parametrize("verb", ["power_on", "restart", "reboot", "reset", "resume"])
async def test_a_guest_that_was_started_again_has_its_whole_time(
    product: Whole, begun: tuple[str, str, int], verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when nobody saw it stand still, as after the host's restart."""
    async with watched(product, *begun) as machine:
        await machine.asked(verb)
        await machine.looked_at()
        monkeypatch.setattr(watcher, "_LAST_WORDS_SECONDS", 0.0)
        await machine.looked_at()

        assert await machine.is_in("first-boot")


@pytest.mark.parametrize("begun", [("ubuntu", "first-boot", 9000)])
async def test_and_no_more_than_that(product: Whole, begun: tuple[str, str, int]) -> None:
    async with watched(product, *begun) as machine:
        await machine.asked("power_on", at="now() - interval '700 s'")
        machine.watcher._attentive_since = -float("inf")
        machine.watcher.noticed("started")

        await until(machine.has_failed, 5, "the failure")
        assert await machine.state() == ("failed", None, _LATE)


@pytest.mark.parametrize("begun", [("ubuntu", "first-boot", 9000)])
async def test_a_system_that_has_finished_while_it_was_judged_is_installed(
    product: Whole, begun: tuple[str, str, int]
) -> None:
    async with watched(product, *begun) as machine:
        async with product.connection.transaction():
            await product.rows("SELECT 1 FROM machines WHERE id = %s FOR UPDATE", machine.id)
            machine.watcher._attentive_since = -float("inf")
            machine.watcher.noticed("started")
            await until(lambda: _somebody_waits(product), 10, "a lock that is waited for")
            await product.rows(
                "UPDATE installations SET phase = 'finished' WHERE machine_id = %s RETURNING 1", machine.id
            )

        await until(lambda: machine.operations.kinds, 5, "the end of the installation")
        assert machine.operations.kinds[0] == FINISH
        assert await machine.is_in("finished")


@pytest.mark.parametrize("begun", [("ubuntu", "finished", 0)])
async def test_an_end_that_fails_is_not_asked_for_again_at_once(product: Whole, begun: tuple[str, str, int]) -> None:
    async with watched(product, *begun, ends="FAILED") as machine:
        await until(lambda: machine.operations.kinds, 5, "the end of the installation")
        await machine.looked_at()

        assert machine.operations.kinds == [FINISH]
        assert await machine.is_in("finished")


@pytest.mark.parametrize("begun", [("ubuntu", "ending", 400)])
async def test_an_end_that_was_cut_off_is_asked_for_again_soon(
    product: Whole, begun: tuple[str, str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_AGAIN_SECONDS", 0.01)
    async with watched(product, *begun, ends="CANCELLED") as machine:
        await until(lambda: len(machine.operations.kinds) > 1, 5, "the second request")

        assert await machine.is_in("ending")


async def _asked(machine: Installing, verbs: list[tuple[str, str, str | None]]) -> None:
    for number, (kind, state, step) in enumerate(verbs):
        await machine.asked(kind, state, step=step, at=f"now() + interval '{number} s'")


async def _somebody_waits(product: Whole) -> bool:
    return bool(await product.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))

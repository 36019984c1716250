"""What follows from the signs of an installation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infinibay.core.installing import (
    Limits,
    Phase,
    Signs,
    Step,
    Verdict,
    following,
    judge,
    judge_by_hand,
    may_fail,
    seconds_left,
)

LIMITS = Limits(boot=100, install=1000, first_boot=500)
UP = Signs(phase=Phase.BOOTING, seconds=1, speaks_late=False, has_media=True, up=True)
INSTALLING = replace(UP, phase=Phase.INSTALLING)
ENDING = replace(UP, phase=Phase.ENDING)
FIRST_BOOT = replace(UP, phase=Phase.FIRST_BOOT, has_media=False)
IMAGE = replace(UP, from_image=True)
WINDOWS = replace(UP, speaks_late=True)
WINDOWS_IMAGE = replace(IMAGE, speaks_late=True)
WAIT, FINISH, INSTALLED = Verdict(Step.WAIT), Verdict(Step.FINISH), Verdict(Step.INSTALLED)


@pytest.mark.parametrize(
    ("signs", "verdict"),
    [
        (UP, WAIT),
        (INSTALLING, WAIT),
        (ENDING, WAIT),
        (FIRST_BOOT, WAIT),
        # Nothing was heard: the system that was left has to show itself.
        (replace(UP, up=False), FINISH),
        (replace(ENDING, up=False), FINISH),
        (replace(ENDING, rebooted=True), FINISH),
        (replace(ENDING, seconds=301), FINISH),
        (replace(INSTALLING, rebooted=True), WAIT),
        (replace(INSTALLING, up=False, stopped_by_request=True), WAIT),
        # Nor has it, however long it is left off.
        (replace(UP, up=False, stopped_by_request=True, seconds=9999), WAIT),
        (replace(INSTALLING, up=False, stopped_by_request=True, seconds=9999), WAIT),
        (replace(WINDOWS, up=False, stopped_by_request=True, seconds=9999), WAIT),
        (replace(FIRST_BOOT, up=False, seconds=9999), WAIT),
        (replace(IMAGE, up=False, seconds=9999), WAIT),
        # The operation that was to boot its disk had taken its media when it was cut off.
        (replace(UP, has_media=False, up=False, stopped_by_request=True), FINISH),
        (replace(UP, has_media=False), FINISH),
        (replace(INSTALLING, up=False, unheard=True), Verdict(Step.ENDED)),
        (replace(WINDOWS, seconds=999), WAIT),
        # It may have told of its begin while nobody listened.
        (replace(UP, seconds=101, missed=True), WAIT),
        (replace(WINDOWS, seconds=1001, agent=True), Verdict(Step.ENDED)),
        (replace(UP, phase=Phase.FINISHED), FINISH),
        (replace(UP, phase=Phase.FINISHED, has_media=False), INSTALLED),
        (replace(UP, phase=Phase.FINISHED, has_media=False, crashed=True), INSTALLED),
        (replace(FIRST_BOOT, agent=True), WAIT),
        # Whoever powers a machine from an image off does no harm, and its medium stays until it has finished.
        (replace(IMAGE, up=False, seconds=400), WAIT),
        (replace(IMAGE, phase=Phase.FIRST_BOOT, agent=True), WAIT),
        (replace(IMAGE, phase=Phase.FINISHED), FINISH),
        (replace(IMAGE, agent=True, silent=True, seconds=301), FINISH),
        (replace(FIRST_BOOT, agent=True, silent=True, seconds=299), WAIT),
        # The agent in an image of Windows answers long before its first logon, which needs the medium.
        (replace(WINDOWS_IMAGE, agent=True, silent=True, seconds=499), WAIT),
        (replace(WINDOWS_IMAGE, rebooted=True, seconds=400), WAIT),
        (replace(WINDOWS_IMAGE, phase=Phase.FIRST_BOOT, agent=True, seconds=499), WAIT),
        (replace(WINDOWS_IMAGE, phase=Phase.FINISHED), FINISH),
        (replace(WINDOWS_IMAGE, agent=True, silent=True, seconds=501), FINISH),
    ],
)
def test_what_goes_on(signs: Signs, verdict: Verdict) -> None:
    assert judge(signs, LIMITS) == verdict


@pytest.mark.parametrize(
    ("signs", "reason"),
    [
        (replace(UP, seconds=101), "The installer did not report its begin within 100 s"),
        (replace(INSTALLING, seconds=1001), "The installer did not finish within 1000 s"),
        (replace(WINDOWS, seconds=1001), "The installer did not finish within 1000 s"),
        (replace(UP, seconds=1001, missed=True), "The installer did not finish within 1000 s"),
        # A live medium may have an agent of its own.
        (replace(INSTALLING, seconds=1001, agent=True), "The installer did not finish within 1000 s"),
        (replace(FIRST_BOOT, seconds=501), "The installed system did not report within 500 s"),
        (replace(IMAGE, seconds=501), "The installed system did not report within 500 s"),
        (replace(WINDOWS_IMAGE, seconds=501), "The installed system did not report within 500 s"),
        (replace(INSTALLING, up=False), "The machine powered off before its installer had finished"),
        (replace(WINDOWS, up=False), "The machine powered off before its installer had finished"),
        (replace(WINDOWS, up=False, unheard=True), "The machine powered off before its installer had finished"),
        *((replace(signs, crashed=True), "The guest crashed") for signs in (UP, INSTALLING, ENDING, FIRST_BOOT)),
    ],
)
def test_what_fails(signs: Signs, reason: str) -> None:
    assert judge(signs, LIMITS) == Verdict(Step.FAILED, reason)


@pytest.mark.parametrize(
    "signs",
    [
        replace(FIRST_BOOT, agent=True, seconds=501),
        replace(FIRST_BOOT, agent=True, silent=True, seconds=301),
        replace(IMAGE, has_media=False, agent=True, silent=True, seconds=301),
    ],
)
def test_a_system_that_runs_and_says_nothing_is_installed_with_a_reason(signs: Signs) -> None:
    verdict = judge(signs, LIMITS)
    assert verdict.step is Step.INSTALLED
    assert verdict.reason


def test_a_system_that_still_has_its_media_gives_them_up_first() -> None:
    """Windows' first boot needs them."""
    signs = replace(FIRST_BOOT, speaks_late=True, agent=True, seconds=501)
    assert judge(replace(signs, has_media=True), LIMITS) == FINISH
    assert judge(signs, LIMITS).step is Step.INSTALLED
    assert judge(replace(signs, has_media=True, agent=False), LIMITS).step is Step.FAILED
    assert judge(replace(signs, has_media=True, seconds=499), LIMITS) == WAIT


@pytest.mark.parametrize(
    ("events", "phases", "speaks_late", "from_image"),
    [
        (["started", "installed", "finished"], ["booting", "installing", "ending", "finished"], False, False),
        # Its installer says nothing, and its new system must not be cut off as an installer that has ended.
        (["installed", "finished"], ["booting", "first-boot", "finished"], True, False),
        (["started", "finished"], ["booting", "first-boot", "finished"], True, True),
    ],
)
def test_the_way_of_the_phases(events: list[str], phases: list[str], *, speaks_late: bool, from_image: bool) -> None:
    way = [Phase.BOOTING]
    for event in events:
        entered = following(event, way[-1], speaks_late=speaks_late, from_image=from_image)
        assert entered is not None
        way.append(entered)
        assert following(event, entered, speaks_late=speaks_late, from_image=from_image) is None
    assert way == phases
    assert [phase for phase in way if may_fail(phase, speaks_late=speaks_late)] == way[:2]


def test_by_hand_the_agent_tells() -> None:
    assert judge_by_hand(agent=False) == WAIT
    assert judge_by_hand(agent=True) == INSTALLED


@pytest.mark.parametrize(
    ("signs", "left"),
    [
        (UP, 99),
        (INSTALLING, 999),
        (ENDING, 299),
        (FIRST_BOOT, 499),
        (WINDOWS, 999),
        (replace(UP, missed=True), 999),
        (IMAGE, 499),
        (WINDOWS_IMAGE, 499),
        (replace(UP, seconds=200), 0),
    ],
)
def test_how_long_to_wait(signs: Signs, left: float) -> None:
    assert seconds_left(signs, LIMITS) == left

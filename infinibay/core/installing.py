"""When an installation goes on, has ended or has failed: from what the guest said and what the hypervisor shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

# Where guests report over HTTP, as an installer and this server both know it.
REPORT_PATH = "/installation/reports"
# After its last report an installer only puts its disk away.
_ENDING_SECONDS = 300
# Whoever reports does so long before.
_SILENT_SECONDS = 300


class Phase(StrEnum):
    """From the first start to the last report. The installer tells of its begin and its end, the new system of its
    own. Windows' tells of nothing, so what is heard first is its new system, with the media still in its drives. The
    system of an image tells of its begin and its end alone."""

    BOOTING = "booting"
    INSTALLING = "installing"
    ENDING = "ending"
    FIRST_BOOT = "first-boot"
    FINISHED = "finished"


@dataclass(frozen=True)
class Limits:
    """Seconds until the installer says that it runs, until it says that it has ended, and for the first boot."""

    boot: float
    install: float
    first_boot: float


@dataclass(frozen=True)
class Signs:
    """What is known of a machine in a phase for which its guest has run `seconds` since it was last started or resumed.

    `speaks_late`: Windows reports only at its first logon. `stopped_by_request`: somebody powered it off, so that
    says nothing. `from_image`: there is no installer, only a first boot. `agent`: the guest's agent answers. `silent`:
    it never reported anything. `unheard`: nobody listened while it ran. `missed`: nobody listened for a part of the
    phase. `has_media`: the installer's media are still attached.
    """

    phase: Phase
    seconds: float
    speaks_late: bool
    has_media: bool
    up: bool
    crashed: bool = False
    rebooted: bool = False
    stopped_by_request: bool = False
    agent: bool = False
    silent: bool = False
    unheard: bool = False
    missed: bool = False
    from_image: bool = False


class Step(Enum):
    """`ENDED`: what the installer said last went to nobody. `FINISH`: the media go, and the machine runs from its
    disk."""

    WAIT = "wait"
    ENDED = "ended"
    FINISH = "finish"
    INSTALLED = "installed"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """What is to be done now; a failure has its reason, and so has a success that is not wholly sure."""

    step: Step
    reason: str | None = None


_WAIT, _FINISH = Verdict(Step.WAIT), Verdict(Step.FINISH)


def following(event: str, phase: Phase, *, speaks_late: bool, from_image: bool = False) -> Phase | None:
    """The phase that a report leads to; None for one that comes too late to say anything."""
    if from_image and event != "finished":
        return Phase.FIRST_BOOT if event == "started" and phase is Phase.BOOTING else None
    if event == "started" and phase is Phase.BOOTING:
        return Phase.INSTALLING
    if event == "installed" and phase in (Phase.BOOTING, Phase.INSTALLING):
        return Phase.FIRST_BOOT if speaks_late else Phase.ENDING
    if event == "finished" and phase is not Phase.FINISHED:
        return Phase.FINISHED
    return None


def may_fail(phase: Phase, *, speaks_late: bool) -> bool:
    """Whether the one that reports in this phase may say that it failed."""
    return phase in (Phase.BOOTING, Phase.INSTALLING) or (speaks_late and phase is Phase.FIRST_BOOT)


def judge(signs: Signs, limits: Limits) -> Verdict:
    """An installer that reports counts by its reports. One that never did, or that nobody heard, and powers off, is
    believed if the system that it left starts."""
    if signs.crashed and signs.phase is not Phase.FINISHED:
        return Verdict(Step.FAILED, "The guest crashed")
    match signs.phase:
        case Phase.FINISHED:
            return _FINISH if signs.has_media else Verdict(Step.INSTALLED)
        case Phase.ENDING:
            ended = not signs.up or signs.rebooted or signs.seconds > _ENDING_SECONDS
            return _FINISH if ended else _WAIT
        case _ if signs.from_image or signs.phase is Phase.FIRST_BOOT:
            verdict = _first_boot(signs, limits)
            return _FINISH if verdict.step is Step.INSTALLED and signs.has_media else verdict
        case _:
            return _installer(signs, limits)


def judge_by_hand(*, agent: bool) -> Verdict:
    """An installation that a person answers has no time limit; the guest's agent tells that it has ended."""
    return Verdict(Step.INSTALLED) if agent else _WAIT


def seconds_left(signs: Signs, limits: Limits) -> float:
    """Until time alone changes the verdict."""
    if signs.from_image:
        return max(0.0, limits.first_boot - signs.seconds)
    match signs.phase:
        case Phase.ENDING:
            limit: float = _ENDING_SECONDS
        case Phase.FIRST_BOOT:
            limit = limits.first_boot
        case Phase.BOOTING if not (signs.speaks_late or signs.missed):
            limit = limits.boot
        case _:
            limit = limits.install
    return max(0.0, limit - signs.seconds)


def _first_boot(signs: Signs, limits: Limits) -> Verdict:
    if not signs.up:
        return _WAIT
    # The agent in an image of Windows answers long before the first logon.
    if signs.agent and signs.silent and not signs.speaks_late and signs.seconds > _SILENT_SECONDS:
        return Verdict(Step.INSTALLED, "The system runs and its agent answers; it reported nothing")
    if signs.seconds <= limits.first_boot:
        return _WAIT
    if signs.agent:
        return Verdict(Step.INSTALLED, "The system runs, but did not say that its first boot has finished")
    return Verdict(Step.FAILED, f"The installed system did not report within {limits.first_boot:.0f} s")


def _installer(signs: Signs, limits: Limits) -> Verdict:
    is_silent = signs.phase is Phase.BOOTING and not signs.speaks_late
    if is_silent and not signs.has_media:
        # It had ended, and somebody cut off the operation that was to boot its disk.
        return _FINISH
    if not signs.up:
        return _powered_off(signs, is_silent=is_silent)
    if is_silent and not signs.missed:
        limit, wanted = limits.boot, "report its begin"
    else:
        limit, wanted = limits.install, "finish"
    if signs.seconds <= limit:
        return _WAIT
    if signs.speaks_late and signs.agent:
        return Verdict(Step.ENDED)
    return _failed(f"The installer did not {wanted} within {limit:.0f} s")


def _powered_off(signs: Signs, *, is_silent: bool) -> Verdict:
    if signs.stopped_by_request:
        return _WAIT
    if is_silent:
        return _FINISH
    if signs.unheard and not signs.speaks_late:
        return Verdict(Step.ENDED)
    return _failed("The machine powered off before its installer had finished")


def _failed(reason: str) -> Verdict:
    return Verdict(Step.FAILED, reason)

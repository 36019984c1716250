"""A requirement and how it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from infinibay.errors import InfinibayError


class CheckState(StrEnum):
    """How a requirement stands."""

    OK = "OK"
    WARNING = "WARNING"
    FAILED = "FAILED"


@dataclass(frozen=True)
class HostCheck:
    """One requirement: what was seen and, unless all is well, the command or step that mends it."""

    name: str
    state: CheckState
    evidence: str
    remedy: str | None = None


def ok(name: str, evidence: str) -> HostCheck:
    return HostCheck(name, CheckState.OK, evidence)


def warning(name: str, evidence: str, remedy: str) -> HostCheck:
    """Machines work, or some of them do, and something is worse than it could be."""
    return HostCheck(name, CheckState.WARNING, evidence, remedy)


def failed(name: str, evidence: str, remedy: str) -> HostCheck:
    """Machines can't be made or driven."""
    return HostCheck(name, CheckState.FAILED, evidence, remedy)


def unknown(name: str, cause: HostCheck) -> HostCheck:
    """What can't be looked at because of another check's finding."""
    return HostCheck(name, CheckState.WARNING, f"not known, see {cause.name}", cause.remedy)


async def asked(name: str, remedy: str, seconds: float, look: Callable[[], Awaitable[HostCheck]]) -> HostCheck:
    """A look at a part that may be down: an error or a silence is a finding."""
    try:
        async with asyncio.timeout(seconds):
            return await look()
    except InfinibayError as error:
        return failed(name, error.message, error.remedy or remedy)
    except TimeoutError:
        return failed(name, f"no answer within {seconds:g} s", remedy)
    except OSError as error:
        return failed(name, str(error), remedy)

from __future__ import annotations

import pytest

from infinibay.virt.api import DomainState
from infinibay.virt.states import describe

R, P, S, C = DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUTOFF, DomainState.CRASHED


@pytest.mark.parametrize(
    ("state", "reason", "ours", "broken", "words"),
    [
        (0, 0, S, False, None),
        (1, 1, R, False, None),
        (2, 0, R, False, None),
        (3, 0, C, True, "it paused by itself, and nobody asked for it"),
        (3, 1, P, False, "paused on request"),
        (3, 5, P, False, "paused by a disk error: look at the free space and the access of its disks"),
        (3, 10, C, False, "the guest crashed"),
        (3, 11, P, False, "starting up"),
        (4, 0, R, False, "shutting down"),
        (5, 0, S, False, None),
        (5, 1, S, False, "the guest shut down"),
        (5, 2, S, False, "powered off by force"),
        (5, 3, C, False, "the guest or its QEMU crashed"),
        (5, 6, S, False, "it failed to start"),
        (6, 0, C, False, "the guest crashed"),
        (7, 0, P, False, "suspended by the guest"),
        (99, 0, S, False, None),
    ],
)
def test_states(state: int, reason: int, ours: DomainState, broken: bool, words: str | None) -> None:
    described = describe(state, reason)
    assert (described.state, described.broken, described.reason) == (ours, broken, words)


def test_a_crash_without_qemu_a_pause_by_a_disk_and_a_start_are_told_apart() -> None:
    pairs = [(state, reason) for state in range(8) for reason in range(14)]
    assert [pair for pair in pairs if describe(*pair).died] == [(5, 3)]
    assert [pair for pair in pairs if describe(*pair).stalled] == [(3, 5)]
    assert [pair for pair in pairs if describe(*pair).starting] == [(3, 11)]

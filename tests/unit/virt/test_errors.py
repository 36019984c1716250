"""Every code of libvirt has a class of ours."""

from __future__ import annotations

import libvirt
import pytest

from infinibay.errors import (
    AgentUnresponsive,
    DeadlineExceeded,
    HostFailure,
    HypervisorError,
    HypervisorRefused,
    HypervisorUnavailable,
    InfinibayError,
    ObjectExists,
    ObjectMissing,
    Unsupported,
    WrongState,
)
from infinibay.virt.errors import CLASS_OF_CODE, is_connection_lost, name_taken, translate

# VIR_ERR_WARNING and VIR_ERR_ERROR are levels that share the prefix, with the numbers of two codes.
_CODES = {
    getattr(libvirt, name)
    for name in dir(libvirt)
    if name.startswith("VIR_ERR_") and name not in {"VIR_ERR_NONE", "VIR_ERR_OK"}
}


def libvirt_error(code: int, source: int = libvirt.VIR_FROM_QEMU, message: str = "what libvirt said") -> Exception:
    """An error as the binding raises it."""
    error = libvirt.libvirtError(message)
    error.err = (code, source, message, 2, None, None, None, -1, -1)
    return error  # type: ignore[no-any-return]


def test_every_code_that_the_library_knows_is_named() -> None:
    assert set(CLASS_OF_CODE) == _CODES


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        (1, HostFailure),
        (3, Unsupported),
        (8, HypervisorRefused),
        (9, HostFailure),
        (27, HypervisorRefused),
        (35, HypervisorRefused),
        (38, HostFailure),
        (42, ObjectMissing),
        (49, ObjectMissing),
        (50, ObjectMissing),
        (55, WrongState),
        (62, ObjectMissing),
        (67, Unsupported),
        (68, DeadlineExceeded),
        (74, Unsupported),
        (80, ObjectMissing),
        (84, Unsupported),
        (86, AgentUnresponsive),
        (90, ObjectExists),
        (92, HypervisorRefused),
        (99, ObjectMissing),
        (9999, HostFailure),
    ],
)
def test_code_gives_class_and_keeps_the_sentence(code: int, ours: type[InfinibayError]) -> None:
    translated = translate(libvirt_error(code))
    assert type(translated) is ours
    assert translated.message == "what libvirt said"
    if isinstance(translated, HypervisorError):
        assert translated.libvirt_code == code


@pytest.mark.parametrize(
    ("code", "source", "lost"),
    [
        (1, libvirt.VIR_FROM_RPC, True),
        (38, libvirt.VIR_FROM_RPC, True),
        (1, libvirt.VIR_FROM_QEMU, False),
        (38, libvirt.VIR_FROM_QEMU, False),
        (39, libvirt.VIR_FROM_RPC, False),
    ],
)
def test_a_lost_line_is_told_from_a_failed_call(code: int, source: int, lost: bool) -> None:
    error = libvirt_error(code, source)
    assert is_connection_lost(error) is lost
    assert isinstance(translate(error), HypervisorUnavailable) is lost


def test_only_a_failed_operation_can_mean_a_taken_name() -> None:
    taken = name_taken(translate(libvirt_error(9, message="domain 'x' already exists with uuid y")))
    assert type(taken) is ObjectExists
    assert taken.message == "domain 'x' already exists with uuid y"
    assert name_taken(translate(libvirt_error(38))) is None
    assert name_taken(translate(libvirt_error(55))) is None


def test_the_test_drivers_word_for_a_wrong_state() -> None:
    assert type(translate(libvirt_error(1, libvirt.VIR_FROM_TEST))) is WrongState

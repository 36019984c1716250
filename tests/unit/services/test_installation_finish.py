"""Media are taken out of a guest's drives, also when the guest ends at the same moment."""

from __future__ import annotations

from unittest.mock import AsyncMock

import pytest

from infinibay.errors import HostFailure, WrongState
from infinibay.services.installations import finish
from infinibay.services.installations.finish import empty_drives
from infinibay.virt.api import DomainInfo, Domains, DomainState

_MACHINE = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"
_XML = """<domain><devices>
<disk device="cdrom"><source file="/iso"/><target dev="sda"/></disk><disk device="cdrom"><target dev="sdb"/></disk>
</devices></domain>"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finish, "_AGAIN_SECONDS", 0.0)


def _domains(*states: DomainState, failures: tuple[Exception | None, ...]) -> AsyncMock:
    """A hypervisor that shows these states one after the other, and answers so to what is asked of the drive."""
    domains = AsyncMock(spec=Domains)
    domains.find.side_effect = [DomainInfo(_MACHINE, _MACHINE, state) for state in states]
    domains.xml.return_value = _XML
    domains.eject.side_effect = failures
    return domains


_GONE = HostFailure("Unable to read from monitor: Connection reset by peer")
_RUNNING, _OFF = DomainState.RUNNING, DomainState.SHUTOFF


@pytest.mark.parametrize("failure", [_GONE, WrongState("domain is not running")])
async def test_a_guest_that_ends_meanwhile_has_no_drives(failure: Exception) -> None:
    domains = _domains(_RUNNING, _RUNNING, _OFF, failures=(failure, failure))

    await empty_drives(domains, _MACHINE)

    assert domains.eject.await_count == 2


async def test_a_crash_that_left_no_qemu_left_no_drives() -> None:
    domains = AsyncMock(spec=Domains)
    domains.find.return_value = DomainInfo(_MACHINE, _MACHINE, DomainState.CRASHED, died=True)

    await empty_drives(domains, _MACHINE)

    domains.eject.assert_not_awaited()


async def test_only_what_has_a_medium_is_emptied_and_only_once() -> None:
    domains = _domains(_RUNNING, failures=(None,))

    await empty_drives(domains, _MACHINE)

    domains.eject.assert_awaited_once_with(_MACHINE, "sda")


async def test_a_drive_that_keeps_its_medium_is_told_of() -> None:
    domains = _domains(_RUNNING, _RUNNING, _RUNNING, failures=(_GONE, _GONE, _GONE))

    with pytest.raises(HostFailure, match="Unable to read from monitor"):
        await empty_drives(domains, _MACHINE)

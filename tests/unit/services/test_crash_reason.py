"""Why a machine has crashed: what its log tells of this run, or else what libvirt knows."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

import pytest

from infinibay.core.machine_status import MachineStatus
from infinibay.db.client import Database
from infinibay.services.machines.status import StatusKeeper
from infinibay.virt import qemu_log
from infinibay.virt.api import DomainInfo, Domains, DomainState, Hypervisor
from tests.support.recording import machine_row

_LIBVIRT = "the guest or its QEMU crashed"
_FAILED_RUN = ["x: starting up libvirt version: 9.0.0", "/usr/bin/qemu \\", "-S", "qemu: error of an earlier run"]
_START = [
    "x: starting up libvirt version: 9.0.0",
    "/usr/bin/qemu \\",
    "-drive rerror=stop \\",
    "-msg timestamp=on",
    "char device redirected to /dev/pts/1 (label charserial0)",
]
_ERROR = "KVM internal error. Suberror: 1"
_SHUTDOWN = "x: shutting down, reason=crashed"


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ([], _LIBVIRT),
        (_START, _LIBVIRT),
        ([*_FAILED_RUN, *_START], _LIBVIRT),
        ([*_START, _ERROR, "EAX=00000000 EBX=00000000"], _ERROR),
        ([*_FAILED_RUN, *_START, _SHUTDOWN], _SHUTDOWN),
    ],
)
async def test_reason_of_a_crash(log: list[str], reason: str) -> None:
    domains = AsyncMock(spec=Domains)
    domains.complaints.return_value = qemu_log.complaints(log)
    keeper = StatusKeeper(Mock(spec=Database), Mock(spec=Hypervisor, domains=domains), "this host")
    machine = machine_row("crashed", None)

    domain = DomainInfo(machine.id, machine.internalName, DomainState.CRASHED, reason=_LIBVIRT)
    assert await keeper._judge(machine.id, domain) == (MachineStatus.CRASHED, reason)

"""What it costs to find out which domains a host with KVM gets; libvirt's test driver stands for such a host."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import libvirt
import pytest

from infinibay.host.process import Account
from infinibay.virt import capabilities, connection, kvm_probe
from infinibay.virt.api import Capabilities, KvmVerdict
from infinibay.virt.connection import Connection, Deadlines
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.twin import twin_uri
from tests.support.wait import until


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to find the type out: `asked` for libvirt, `tried` for a guest."""
    done: list[str] = []
    real = capabilities.probe

    def asked(found: libvirt.virConnect) -> Capabilities:
        done.append("asked")
        return replace(real(found), domain_types=("kvm", "qemu"))

    async def tried(_account: Account | None) -> KvmVerdict:
        done.append("tried")
        return KvmVerdict(works=True, reason="It ran.")

    monkeypatch.setattr(capabilities, "probe", asked)
    monkeypatch.setattr(kvm_probe, "_run", tried)
    monkeypatch.setattr(Connection, "is_local", True)
    return done


async def test_nobody_who_wants_a_machine_waits_behind_starts(looks: list[str], tmp_path: Path) -> None:
    """As many calls as may run at once hang; one that had to wait for them would miss its deadline."""
    hypervisor = LibvirtHypervisor(twin_uri(tmp_path), tmp_path, deadlines=Deadlines(change=1))
    await hypervisor.open()
    let_go = threading.Event()
    try:
        assert await hypervisor.domain_type("auto") == "kvm"
        waits, begun = _hanging_starts(hypervisor, let_go)
        await until(lambda: begun.acquire(blocking=False))
        assert await hypervisor.domain_type("auto") == "kvm"
        assert (await hypervisor.kvm_verdict()).works
        assert looks == ["asked", "tried"]
        let_go.set()
        await waits
    finally:
        let_go.set()
        await hypervisor.close()


def _hanging_starts(
    hypervisor: LibvirtHypervisor, let_go: threading.Event
) -> tuple[asyncio.Future[list[bool]], threading.Semaphore]:
    """Calls in every thread for changes, and the sign that all of them have begun."""
    count = connection._CHANGE_THREADS
    barrier, begun = threading.Barrier(count), threading.Semaphore(0)

    def hang(_found: libvirt.virConnect) -> bool:
        if barrier.wait(30) == 0:
            begun.release()
        return let_go.wait(30)

    calls = (hypervisor._connection.call(connection.Kind.START, hang) for _ in range(count))
    return asyncio.gather(*calls), begun


async def test_another_connection_is_asked_anew_and_the_verdict_holds(looks: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        hypervisor = LibvirtHypervisor(twin_uri(tmp_path), tmp_path)
        await hypervisor.open()
        assert await hypervisor.domain_type("auto") == "kvm"
        await hypervisor.close()
    assert looks == ["asked", "tried", "asked"]

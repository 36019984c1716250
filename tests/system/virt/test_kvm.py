"""Whether KVM runs a guest: the probe, and how a domain looks on which KVM gave up. Either answer of a host will do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infinibay.errors import WrongState
from infinibay.virt import kvm_rom
from infinibay.virt.api import DomainInfo, DomainState, KvmVerdict
from infinibay.virt.hypervisor import LibvirtHypervisor
from infinibay.virt.kvm_probe import run_rom
from tests.support.domain_xml import diskless_domain, new_uuid
from tests.support.wait import until


async def test_the_probes_guest_runs_to_its_end_where_the_processor_is_whole() -> None:
    ended = await run_rom("tcg", None, 30)
    assert ended.code == 33


async def test_the_verdict_is_found_once_and_kept(libvirtd: str, tmp_path: Path) -> None:
    first = LibvirtHypervisor(libvirtd, tmp_path)
    await first.open()
    found = await first.kvm_verdict()
    chosen = await first.domain_type("auto")
    await first.close()
    assert chosen == ("kvm" if found.works else "qemu")
    kept = json.loads((tmp_path / "kvm-probe.json").read_text())
    assert (kept["works"], kept["reason"]) == (found.works, found.reason)

    # A verdict that no probe would find shows that it was read and not found anew.
    (tmp_path / "kvm-probe.json").write_text(json.dumps({**kept, "works": not found.works, "reason": "as kept"}))
    second = LibvirtHypervisor(libvirtd, tmp_path)
    await second.open()
    assert await second.kvm_verdict() == KvmVerdict(not found.works, "as kept")

    kept["circumstances"]["boot"] = "another boot"
    (tmp_path / "kvm-probe.json").write_text(json.dumps({**kept, "works": not found.works}))
    assert await second.kvm_verdict() == found
    (tmp_path / "kvm-probe.json").write_text("damaged")
    assert await second.kvm_verdict() == found
    await second.close()


async def test_a_forced_type_is_taken_as_it_is(hypervisor: LibvirtHypervisor) -> None:
    assert await hypervisor.domain_type("qemu") == "qemu"
    if "kvm" in (await hypervisor.capabilities()).domain_types:
        assert await hypervisor.domain_type("kvm") == "kvm"


async def test_a_domain_that_pauses_by_itself_has_crashed(hypervisor: LibvirtHypervisor, reachable_dir: Path) -> None:
    """With a working KVM the same domain runs on."""
    rom = reachable_dir / "probe.rom"
    rom.write_bytes(kvm_rom.image())
    rom.chmod(0o644)
    identity = new_uuid()
    loader = f"<loader readonly='yes' type='rom'>{rom}</loader>"
    verdict = await hypervisor.kvm_verdict()
    await hypervisor.domains.define(diskless_domain("v-sys-kvm", identity, kind="kvm", os=loader))
    try:
        await hypervisor.domains.start(identity)
        if verdict.works:
            found = await hypervisor.domains.find(identity)
            assert found == DomainInfo(identity, "v-sys-kvm", DomainState.RUNNING)
        else:
            broken: DomainInfo | None = await until(lambda: _broken(hypervisor, identity), what="the failure of KVM")
            reason = "KVM internal error. Suberror: 1; emulation failure"
            assert broken == DomainInfo(identity, "v-sys-kvm", DomainState.CRASHED, broken=True, reason=reason)
            assert broken in await hypervisor.domains.list_all()
        await hypervisor.domains.destroy(identity)
    finally:
        await hypervisor.domains.undefine(identity)
    assert await hypervisor.domains.find(identity) is None


async def test_a_pause_on_request_is_no_crash(hypervisor: LibvirtHypervisor) -> None:
    identity = new_uuid()
    await hypervisor.domains.define(diskless_domain("v-sys-pause", identity))
    await hypervisor.domains.start(identity)
    await hypervisor.domains.suspend(identity)
    found = await hypervisor.domains.find(identity)
    await hypervisor.domains.destroy(identity)
    with pytest.raises(WrongState):
        await hypervisor.domains.resume(identity)
    await hypervisor.domains.undefine(identity)
    assert found is not None
    assert (found.state, found.broken) == (DomainState.PAUSED, False)


async def _broken(hypervisor: LibvirtHypervisor, identity: str) -> DomainInfo | None:
    found = await hypervisor.domains.find(identity)
    return found if found is not None and found.broken else None

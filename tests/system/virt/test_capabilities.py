from __future__ import annotations

import os
from pathlib import Path

from infinibay.virt.api import Hypervisor
from infinibay.virt.hypervisor import LibvirtHypervisor


async def test_what_this_host_offers(hypervisor: LibvirtHypervisor) -> None:
    # The annotation makes the type checker compare the class with the protocol.
    asked: Hypervisor = hypervisor
    found = await asked.capabilities()
    assert found.domain_types[-1] == "qemu"
    assert found.machine_type.startswith("pc-q35-")
    assert found.max_vcpus >= 64
    assert found.host_cpus == os.cpu_count()
    assert found.efi
    assert found.secure_boot
    assert found.tpm
    assert found.nwfilter
    files = (found.efi_code, found.efi_vars, found.secure_code, found.secure_vars)
    assert len(_existing(files)) == 4
    assert {"vnc", "spice"} <= set(found.graphics)
    assert {"virtio", "qxl", "vga"} <= set(found.video_models)
    assert {"maximum", "custom"} <= set(found.cpu_modes)
    assert await asked.capabilities() is found


def _existing(files: tuple[str | None, ...]) -> set[str]:
    return {file for file in files if file is not None and Path(file).is_file()}

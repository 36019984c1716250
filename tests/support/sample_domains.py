"""Machines of every kind, as designs: what the golden files show and what the system tests define and start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from infinibay.core import naming
from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.libvirtxml.domain import DirectBoot, DomainSpec
from infinibay.services.machines.design import InstallerMedia, MachineDesign, Protocol, choose, design
from infinibay.virt.api import Capabilities

CAPABILITIES = Capabilities(
    domain_types=("kvm", "qemu"),
    machine_type="q35",
    max_vcpus=288,
    host_cpus=8,
    host_memory_kib=32 * 1024**2,
    efi=True,
    secure_boot=True,
    efi_code="/usr/share/OVMF/OVMF_CODE_4M.fd",
    efi_vars="/usr/share/OVMF/OVMF_VARS_4M.fd",
    secure_code="/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
    secure_vars="/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
    tpm=True,
    nwfilter=True,
    graphics=("vnc", "spice"),
    video_models=("vga", "qxl", "virtio"),
    cpu_modes=("host-passthrough", "maximum", "host-model"),
    hypervisor_version="7.2.0",
    libvirt_version="9.0.0",
)
WITHOUT_OVMF = replace(
    CAPABILITIES, efi=False, secure_boot=False, efi_code=None, efi_vars=None, secure_code=None, secure_vars=None
)
# The test driver's host, as the driver tells of it.
TEST_DRIVER = replace(WITHOUT_OVMF, domain_types=("test",), machine_type="", tpm=False, nwfilter=False, cpu_modes=())
WITHOUT_FILTERS = replace(CAPABILITIES, nwfilter=False)


@dataclass(frozen=True)
class Sample:
    """A machine to design; sizes that its system takes."""

    system: str
    domain_type: str
    protocol: Protocol
    capabilities: Capabilities = CAPABILITIES
    network: str = "default"
    bridge: bool = False
    iso: bool = True
    from_image: bool = False

    def machine(
        self,
        machine_id: str,
        *,
        disk_path: str | None = None,
        machines_dir: Path = Path("/opt/infinibay/machines"),
        network: str | None = None,
    ) -> MachineDesign:
        system = OPERATING_SYSTEMS[self.system]
        name = naming.domain_name(machine_id)
        return MachineDesign(
            machine_id=machine_id,
            internal_name=name,
            system=system,
            cpu_cores=2,
            ram_gb=system.least_ram_gb,
            disk_path=disk_path or f"/opt/infinibay/disks/{naming.main_volume(name)}",
            iso_path=f"/opt/infinibay/iso/{system.iso_name}" if self.iso else None,
            choice=choose(
                machine_id,
                system,
                self.capabilities,
                domain_type=self.domain_type,
                graphic_protocol=self.protocol,
                network=network or self.network,
            ),
            bridge=self.bridge,
            machines_dir=machines_dir,
            graphics_password="s3cretPw",
            from_image=self.from_image,
        )

    def spec(self, machine_id: str) -> DomainSpec:
        return design(self.machine(machine_id), self.capabilities)

    def installer_spec(self, machine_id: str, media: InstallerMedia) -> DomainSpec:
        """While its installer runs."""
        return design(replace(self.machine(machine_id), installer=media), self.capabilities)


SAMPLES = {
    "ubuntu-kvm-efi-vnc": Sample("ubuntu", "kvm", "vnc"),
    "ubuntu-qemu-efi-vnc": Sample("ubuntu", "qemu", "vnc"),
    "ubuntu-qemu-bios-spice": Sample("ubuntu", "qemu", "spice", capabilities=WITHOUT_OVMF),
    "ubuntu-kvm-efi-vnc-installed-bridge": Sample("ubuntu", "kvm", "vnc", network="br0", bridge=True, iso=False),
    "ubuntu-kvm-efi-vnc-image": Sample("ubuntu", "kvm", "vnc", from_image=True),
    "ubuntu-test-vnc": Sample("ubuntu", "test", "vnc", capabilities=TEST_DRIVER),
    "fedora-kvm-efi-spice": Sample("fedora", "kvm", "spice"),
    "fedora-qemu-efi-spice-unfiltered": Sample("fedora", "qemu", "spice", capabilities=WITHOUT_FILTERS),
    "fedora-kvm-bios-vnc": Sample("fedora", "kvm", "vnc", capabilities=WITHOUT_OVMF),
    "windows10-kvm-efi-vnc": Sample("windows10", "kvm", "vnc"),
    "windows10-qemu-efi-spice": Sample("windows10", "qemu", "spice"),
    "windows10-kvm-bios-spice": Sample("windows10", "kvm", "spice", capabilities=WITHOUT_OVMF),
    "windows11-kvm-secure-spice": Sample("windows11", "kvm", "spice"),
    "windows11-qemu-secure-vnc": Sample("windows11", "qemu", "vnc"),
    "windows11-test-spice": Sample("windows11", "test", "spice", capabilities=TEST_DRIVER),
}

_OWN = "/opt/infinibay/machines/one"
_KERNEL = DirectBoot(f"{_OWN}/kernel", f"{_OWN}/initrd", "autoinstall ds=nocloud console=ttyS0")
_DRIVERS = "/opt/infinibay/iso/virtio-win.iso"
# Samples by name, with what their installers get.
INSTALLERS = {
    "ubuntu-installer-seed": ("ubuntu-kvm-efi-vnc", InstallerMedia(f"{_OWN}/seed.iso", _KERNEL)),
    "fedora-installer-bios": ("fedora-kvm-bios-vnc", InstallerMedia(f"{_OWN}/seed.iso", _KERNEL)),
    "ubuntu-installer-remaster": ("ubuntu-kvm-efi-vnc", InstallerMedia()),
    "windows11-installer-seed": (
        "windows11-kvm-secure-spice",
        InstallerMedia(f"{_OWN}/seed.iso", drivers_path=_DRIVERS, overlay=True),
    ),
}

"""Decides what a machine's domain is made of. It writes no XML and asks nobody: values in, values out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from infinibay.core import naming
from infinibay.core.operating_systems import Family, OperatingSystem
from infinibay.libvirtxml.devices import (
    BalloonSpec,
    CdromSpec,
    ChannelSpec,
    ControllerSpec,
    Device,
    DiskSpec,
    GraphicsSpec,
    NicSpec,
    PanicSpec,
    RngSpec,
    SerialSpec,
    TabletSpec,
    TpmSpec,
    VideoSpec,
)
from infinibay.libvirtxml.domain import (
    ClockSpec,
    CpuMode,
    CpuSpec,
    DirectBoot,
    DomainSpec,
    FirmwareSpec,
    HypervSpec,
    TimerSpec,
)
from infinibay.unattended.installation import REPORT_PORT
from infinibay.virt.api import Capabilities

Firmware = Literal["efi", "efi-secure", "bios"]
Protocol = Literal["vnc", "spice"]

LISTEN = "127.0.0.1"
MEDIUM_DRIVE, SEED_DRIVE, DRIVERS_DRIVE = "sda", "sdb", "sdc"
INSTALLER_LOG = "installer.log"
# Anaconda writes its log to a port of this name wherever there is one.
_ANACONDA_LOG_PORT = "org.fedoraproject.anaconda.log.0"
KIB_PER_GB = 1024**2
# At most seven of them are taken by the virtio devices and the USB controller; the others are for what is plugged in
# later.
ROOT_PORTS = 14
SPINLOCK_RETRIES = 8191
# Each is older than the oldest kernel that we support; the later ones need the earlier ones.
HYPERV = ("relaxed", "vapic", "vpindex", "runtime", "synic", "stimer", "frequencies")
TEST_DRIVER = "test"


@dataclass(frozen=True)
class Choice:
    """What is decided once, when the machine is created, and kept as its configuration."""

    firmware: Firmware
    tpm: bool
    domain_type: str
    graphic_protocol: Protocol
    network: str
    mac_address: str


@dataclass(frozen=True)
class InstallerMedia:
    """What an installer gets beside the medium in the drive, until it has ended: a seed in a drive of its own, a kernel
    that is booted directly, the drivers of Windows, ports for its reports and its log. `overlay`: the drive's file is
    qcow2."""

    seed_path: str | None = None
    direct_boot: DirectBoot | None = None
    drivers_path: str | None = None
    overlay: bool = False


@dataclass(frozen=True)
class MachineDesign:
    """Everything that a machine's domain depends on, beside the host. RAM is in GB.

    `bridge` tells whether the network is a bridge of the host; `iso_path` is the medium in the CD-ROM drive, which
    is empty without one; `from_image`: a system that comes as an image finds its answers in that drive; `machines_dir`
    holds one directory per machine, which must exist before the start.
    """

    machine_id: str
    internal_name: str
    system: OperatingSystem
    cpu_cores: int
    ram_gb: int
    disk_path: str
    iso_path: str | None
    choice: Choice
    bridge: bool
    machines_dir: Path
    graphics_password: str = field(repr=False)
    installer: InstallerMedia | None = None
    from_image: bool = False


def choose(
    machine_id: str,
    system: OperatingSystem,
    capabilities: Capabilities,
    *,
    domain_type: str,
    graphic_protocol: Protocol,
    network: str,
) -> Choice:
    """The configuration of a new machine."""
    real = domain_type != TEST_DRIVER
    return Choice(
        firmware=choose_firmware(system, capabilities) if real else "bios",
        tpm=system.tpm and capabilities.tpm and real,
        domain_type=domain_type,
        graphic_protocol=graphic_protocol,
        network=network,
        mac_address=naming.mac_address(machine_id),
    )


def choose_firmware(system: OperatingSystem, capabilities: Capabilities) -> Firmware:
    """UEFI with secure boot where the system wants it, UEFI where the host has it, else BIOS."""
    if system.secure_boot and capabilities.secure_boot and capabilities.secure_code and capabilities.secure_vars:
        return "efi-secure"
    if capabilities.efi and capabilities.efi_code and capabilities.efi_vars:
        return "efi"
    return "bios"


def uses_bridge(network: str, *, known: bool) -> bool:
    """Whether a network's name means a bridge of the host; `known` tells whether libvirt has such a network."""
    return network.startswith("br") or not known


def machine_directory(machines_dir: Path, machine_id: str) -> Path:
    """What QEMU and libvirt write for one machine: `serial.log` (by virtlogd, as root) and `nvram.fd`.

    QEMU's own account opens the NVRAM, so this directory and all above it must let it pass: mode 0711.
    """
    return machines_dir / machine_id


def design(machine: MachineDesign, capabilities: Capabilities) -> DomainSpec:
    """The domain of a machine on a host with these capabilities.

    Raises ValueError when the machine was given a UEFI that the host no longer has.
    """
    choice = machine.choice
    if choice.domain_type == TEST_DRIVER:
        return _test_domain(machine)
    kvm = choice.domain_type == "kvm"
    return DomainSpec(
        domain_type=choice.domain_type,
        name=machine.internal_name,
        uuid=machine.machine_id,
        memory_kib=machine.ram_gb * KIB_PER_GB,
        cpu=CpuSpec(machine.cpu_cores, _cpu_mode(kvm, capabilities)),
        arch="x86_64",
        machine_type=capabilities.machine_type,
        firmware=_firmware(machine, capabilities),
        hyperv=HypervSpec(HYPERV, SPINLOCK_RETRIES) if machine.system.is_windows and kvm else None,
        clock=_clock(machine.system, kvm),
        on_crash="preserve",
        devices=_devices(machine, capabilities),
        direct_boot=machine.installer.direct_boot if machine.installer else None,
    )


def _cpu_mode(kvm: bool, capabilities: Capabilities) -> CpuMode | None:
    """The most that the guest can have: all of the host's CPU under KVM, all that QEMU can emulate without."""
    wanted: tuple[CpuMode, ...] = ("host-passthrough", "maximum", "host-model") if kvm else ("maximum", "host-model")
    return next((mode for mode in wanted if mode in capabilities.cpu_modes), None)


def _firmware(machine: MachineDesign, capabilities: Capabilities) -> FirmwareSpec | None:
    firmware = machine.choice.firmware
    if firmware == "bios":
        return None
    secure = firmware == "efi-secure"
    code = capabilities.secure_code if secure else capabilities.efi_code
    template = capabilities.secure_vars if secure else capabilities.efi_vars
    if code is None or template is None:
        raise ValueError(f"this host has no firmware for {firmware}; install OVMF")
    variables = machine_directory(machine.machines_dir, machine.machine_id) / "nvram.fd"
    return FirmwareSpec(code, template, str(variables), secure=secure)


def _clock(system: OperatingSystem, kvm: bool) -> ClockSpec:
    """Windows keeps local time in the hardware clock. A tick that is lost is made up for, and the HPET only costs."""
    timers = [
        TimerSpec("rtc", tickpolicy="catchup"),
        TimerSpec("pit", tickpolicy="delay"),
        TimerSpec("hpet", present=False),
    ]
    if system.is_windows and kvm:
        timers.append(TimerSpec("hypervclock", present=True))
    return ClockSpec("localtime" if system.is_windows else "utc", tuple(timers))


def _devices(machine: MachineDesign, capabilities: Capabilities) -> tuple[Device, ...]:
    choice = machine.choice
    devices: list[Device] = [
        # Works on every file system, and the guest's flushes still reach the disk.
        DiskSpec(machine.disk_path, "vda", "virtio", boot_order=1, cache="writeback", discard=True),
        *_drives(machine),
        *_controllers(_drive_bus(machine)),
        _nic(machine, filtered=capabilities.nwfilter),
        SerialSpec(str(machine_directory(machine.machines_dir, machine.machine_id) / "serial.log")),
        ChannelSpec("unix", "org.qemu.guest_agent.0"),
        *_report_ports(machine),
    ]
    if choice.graphic_protocol == "spice":
        devices.append(ChannelSpec("spicevmc", "com.redhat.spice.0"))
    devices.append(TabletSpec())
    if choice.tpm:
        devices.append(TpmSpec("tpm-crb"))
    devices += [
        GraphicsSpec(choice.graphic_protocol, LISTEN, machine.graphics_password),
        VideoSpec(_video_model(choice.graphic_protocol, capabilities)),
        BalloonSpec(stats_seconds=5),
        RngSpec("/dev/urandom"),
    ]
    if not machine.system.is_windows:
        # Linux reports a panic here; it then shows as crashed instead of as a machine that runs and does nothing.
        devices.append(PanicSpec("isa"))
    return tuple(devices)


def _drive_bus(machine: MachineDesign) -> Literal["sata", "scsi"]:
    """SATA, which every installer knows; the small kernels of Linux's cloud images see virtio alone."""
    return "scsi" if machine.from_image and not machine.system.is_windows else "sata"


def _drives(machine: MachineDesign) -> tuple[CdromSpec, ...]:
    """SATA drives can't be plugged in later, so there is one even without a medium."""
    installer = machine.installer
    kind: Literal["raw", "qcow2"] = "qcow2" if installer is not None and installer.overlay else "raw"
    drive = CdromSpec(machine.iso_path, MEDIUM_DRIVE, _drive_bus(machine), boot_order=2, format=kind)
    if installer is None:
        return (drive,)
    beside = ((installer.seed_path, SEED_DRIVE), (installer.drivers_path, DRIVERS_DRIVE))
    return (drive, *(CdromSpec(path, target, "sata") for path, target in beside if path is not None))


def _report_ports(machine: MachineDesign) -> tuple[ChannelSpec, ...]:
    if machine.installer is None:
        return ()
    reports = ChannelSpec("unix", REPORT_PORT)
    if machine.system.family is not Family.REDHAT:
        return (reports,)
    log = machine_directory(machine.machines_dir, machine.machine_id) / INSTALLER_LOG
    return (reports, ChannelSpec("pty", _ANACONDA_LOG_PORT, str(log)))


def _controllers(drive_bus: Literal["sata", "scsi"]) -> tuple[ControllerSpec, ...]:
    root = ControllerSpec("pci", "pcie-root", index=0)
    ports = (ControllerSpec("pci", "pcie-root-port", index=number) for number in range(1, ROOT_PORTS + 1))
    found = (ControllerSpec("usb", "qemu-xhci"), root, *ports, ControllerSpec("virtio-serial"))
    return (*found, ControllerSpec("scsi", "virtio-scsi")) if drive_bus == "scsi" else found


def _nic(machine: MachineDesign, *, filtered: bool) -> NicSpec:
    return NicSpec(
        kind="bridge" if machine.bridge else "network",
        source=machine.choice.network,
        mac=machine.choice.mac_address,
        filter=naming.machine_filter(machine.machine_id) if filtered else None,
    )


def _video_model(protocol: Protocol, capabilities: Capabilities) -> str:
    wanted = ("qxl", "virtio") if protocol == "spice" else ("virtio",)
    return next((model for model in wanted if model in capabilities.video_models), "vga")


def _test_domain(machine: MachineDesign) -> DomainSpec:
    """What libvirt's own test driver takes: it knows neither flash nor TPM, filters nor host paths."""
    choice = machine.choice
    return DomainSpec(
        domain_type=TEST_DRIVER,
        name=machine.internal_name,
        uuid=machine.machine_id,
        memory_kib=machine.ram_gb * KIB_PER_GB,
        cpu=CpuSpec(machine.cpu_cores, None),
        arch="i686",
        machine_type=None,
        firmware=None,
        hyperv=None,
        clock=ClockSpec("localtime" if machine.system.is_windows else "utc"),
        on_crash="preserve",
        devices=(
            DiskSpec(machine.disk_path, "vda", "virtio", boot_order=1),
            CdromSpec(machine.iso_path, "hdc", "ide", boot_order=2),
            _nic(machine, filtered=False),
            GraphicsSpec(choice.graphic_protocol, LISTEN, machine.graphics_password),
        ),
    )

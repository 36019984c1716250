"""What is decided for which machine on which host."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from infinibay.core.operating_systems import OPERATING_SYSTEMS
from infinibay.libvirtxml.devices import (
    CdromSpec,
    ChannelSpec,
    ControllerSpec,
    DiskSpec,
    GraphicsSpec,
    NicSpec,
    PanicSpec,
    TpmSpec,
    VideoSpec,
)
from infinibay.libvirtxml.domain import CpuMode, DomainSpec
from infinibay.services.machines.design import (
    InstallerMedia,
    Protocol,
    choose,
    choose_firmware,
    design,
    uses_bridge,
)
from infinibay.unattended.installation import REPORT_PORT
from infinibay.virt.api import Capabilities
from tests.support.sample_domains import CAPABILITIES, SAMPLES, WITHOUT_OVMF, Sample

T = TypeVar("T")
MACHINE = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"
NO_SECURE_BOOT = replace(CAPABILITIES, secure_boot=False, secure_code=None, secure_vars=None)


def of_kind(spec: DomainSpec, kind: type[T]) -> list[T]:
    return [device for device in spec.devices if isinstance(device, kind)]


@pytest.mark.parametrize(
    ("system", "capabilities", "firmware"),
    [
        ("windows11", CAPABILITIES, "efi-secure"),
        ("windows11", NO_SECURE_BOOT, "efi"),
        ("windows11", WITHOUT_OVMF, "bios"),
        ("windows10", CAPABILITIES, "efi"),
        ("ubuntu", CAPABILITIES, "efi"),
        ("fedora", WITHOUT_OVMF, "bios"),
    ],
)
def test_firmware(system: str, capabilities: Capabilities, firmware: str) -> None:
    assert choose_firmware(OPERATING_SYSTEMS[system], capabilities) == firmware


@pytest.mark.parametrize(
    ("system", "offered", "domain_type", "tpm"),
    [
        ("windows11", True, "kvm", True),
        ("windows11", True, "test", False),
        ("windows11", False, "kvm", False),
        ("windows10", True, "kvm", False),
        ("ubuntu", True, "qemu", False),
    ],
)
def test_a_tpm_where_the_system_needs_it(system: str, offered: bool, domain_type: str, tpm: bool) -> None:
    capabilities = replace(CAPABILITIES, tpm=offered)
    choice = choose(
        MACHINE,
        OPERATING_SYSTEMS[system],
        capabilities,
        domain_type=domain_type,
        graphic_protocol="vnc",
        network="default",
    )
    sample = Sample(system, domain_type, "vnc", capabilities=capabilities)
    assert choice.tpm is tpm
    assert of_kind(sample.spec(MACHINE), TpmSpec) == ([TpmSpec("tpm-crb")] if tpm else [])


@pytest.mark.parametrize(
    ("domain_type", "offered", "mode"),
    [
        ("kvm", ("maximum", "host-model", "host-passthrough"), "host-passthrough"),
        ("kvm", ("maximum", "host-model"), "maximum"),
        ("kvm", ("custom", "host-model"), "host-model"),
        ("qemu", ("host-passthrough", "maximum", "host-model"), "maximum"),
        ("qemu", ("host-passthrough", "host-model"), "host-model"),
        ("qemu", ("custom",), None),
    ],
)
def test_cpu_mode(domain_type: str, offered: tuple[str, ...], mode: CpuMode | None) -> None:
    sample = Sample("ubuntu", domain_type, "vnc", capabilities=replace(CAPABILITIES, cpu_modes=offered))
    assert sample.spec(MACHINE).cpu.mode == mode


@pytest.mark.parametrize(
    ("protocol", "offered", "model"),
    [
        ("vnc", ("vga", "qxl", "virtio"), "virtio"),
        ("spice", ("vga", "qxl", "virtio"), "qxl"),
        ("spice", ("vga", "virtio"), "virtio"),
        ("vnc", ("vga", "qxl"), "vga"),
    ],
)
def test_video(protocol: Protocol, offered: tuple[str, ...], model: str) -> None:
    spec = Sample("ubuntu", "kvm", protocol, capabilities=replace(CAPABILITIES, video_models=offered)).spec(MACHINE)
    assert of_kind(spec, VideoSpec) == [VideoSpec(model)]


@pytest.mark.parametrize(
    ("network", "known", "bridge"),
    [
        ("default", True, False),
        ("default", False, True),
        ("br0", True, True),
        ("br0", False, True),
        ("vbr", True, False),
    ],
)
def test_a_bridge_by_its_name_or_because_libvirt_does_not_know_it(network: str, known: bool, bridge: bool) -> None:
    assert uses_bridge(network, known=known) is bridge


def test_what_only_windows_gets() -> None:
    windows, emulated, linux = (
        SAMPLES[name].spec(MACHINE)
        for name in ("windows10-kvm-efi-vnc", "windows10-qemu-efi-spice", "ubuntu-kvm-efi-vnc")
    )

    assert windows.hyperv is not None
    assert [windows.clock.offset, emulated.clock.offset, linux.clock.offset] == ["localtime", "localtime", "utc"]
    assert "hypervclock" in [timer.name for timer in windows.clock.timers]
    # QEMU emulates none of it without KVM.
    assert emulated.hyperv is None
    assert linux.hyperv is None
    assert "hypervclock" not in [timer.name for spec in (emulated, linux) for timer in spec.clock.timers]


def test_what_only_linux_gets() -> None:
    assert of_kind(SAMPLES["ubuntu-kvm-efi-vnc"].spec(MACHINE), PanicSpec) == [PanicSpec("isa")]
    assert of_kind(SAMPLES["windows10-kvm-efi-vnc"].spec(MACHINE), PanicSpec) == []


def test_the_disk_boots_before_the_medium() -> None:
    spec = SAMPLES["ubuntu-kvm-efi-vnc"].spec(MACHINE)
    assert [(disk.path, disk.boot_order) for disk in of_kind(spec, DiskSpec)] == [
        (f"/opt/infinibay/disks/{MACHINE}-main.qcow2", 1)
    ]
    assert [(drive.path, drive.boot_order) for drive in of_kind(spec, CdromSpec)] == [
        ("/opt/infinibay/iso/ubuntu.iso", 2)
    ]


def test_what_the_installer_of_windows_sees() -> None:
    """Read-only drives beside the disk, and none that could hold an answer file that counts before ours."""
    media = InstallerMedia(seed_path="/m/seed.iso", drivers_path="/iso/virtio-win.iso", overlay=True)
    machine = replace(SAMPLES["windows11-kvm-secure-spice"].machine(MACHINE), installer=media)
    spec = design(machine, CAPABILITIES)
    assert [(drive.path, drive.target, drive.format, drive.boot_order) for drive in of_kind(spec, CdromSpec)] == [
        ("/opt/infinibay/iso/windows11.iso", "sda", "qcow2", 2),
        ("/m/seed.iso", "sdb", "raw", None),
        ("/iso/virtio-win.iso", "sdc", "raw", None),
    ]
    assert [(disk.bus, disk.boot_order) for disk in of_kind(spec, DiskSpec)] == [("virtio", 1)]
    assert [port.name for port in of_kind(spec, ChannelSpec) if port.kind == "unix"] == [
        "org.qemu.guest_agent.0",
        REPORT_PORT,
    ]


def test_the_network_card() -> None:
    mac, machine_filter = "52:54:00:0d:f4:67", "ibay-vm-0b9f6f0e6a534d0f9d0c3f2a1d5e7c11"
    cards = [
        of_kind(SAMPLES[name].spec(MACHINE), NicSpec)
        for name in (
            "ubuntu-kvm-efi-vnc",
            "ubuntu-kvm-efi-vnc-installed-bridge",
            "fedora-qemu-efi-spice-unfiltered",
        )
    ]
    assert cards == [
        [NicSpec("network", "default", mac, machine_filter)],
        [NicSpec("bridge", "br0", mac, machine_filter)],
        [NicSpec("network", "default", mac, None)],
    ]


def test_graphics_listen_on_localhost_and_hide_their_password() -> None:
    vnc, spice = (
        of_kind(SAMPLES[name].spec(MACHINE), GraphicsSpec) for name in ("ubuntu-kvm-efi-vnc", "fedora-kvm-efi-spice")
    )
    assert vnc == [GraphicsSpec("vnc", "127.0.0.1", "s3cretPw")]
    assert spice == [GraphicsSpec("spice", "127.0.0.1", "s3cretPw")]
    assert "s3cretPw" not in repr(SAMPLES["ubuntu-kvm-efi-vnc"].spec(MACHINE))
    assert "s3cretPw" not in repr(SAMPLES["ubuntu-kvm-efi-vnc"].machine(MACHINE))


def test_spice_brings_the_channel_of_its_agent() -> None:
    channels = [
        [channel.name for channel in of_kind(SAMPLES[name].spec(MACHINE), ChannelSpec)]
        for name in ("ubuntu-kvm-efi-vnc", "fedora-kvm-efi-spice")
    ]
    assert channels == [["org.qemu.guest_agent.0"], ["org.qemu.guest_agent.0", "com.redhat.spice.0"]]


def test_ports_for_later() -> None:
    controllers = of_kind(SAMPLES["ubuntu-kvm-efi-vnc"].spec(MACHINE), ControllerSpec)
    ports = [c.index for c in controllers if c.model == "pcie-root-port"]
    assert ports == list(range(1, 15))


def test_a_firmware_that_the_host_has_lost_is_named() -> None:
    machine = SAMPLES["windows11-kvm-secure-spice"].machine(MACHINE)
    with pytest.raises(ValueError, match="this host has no firmware for efi-secure; install OVMF"):
        design(machine, WITHOUT_OVMF)


def test_sizes_and_identity() -> None:
    spec = SAMPLES["windows11-kvm-secure-spice"].spec(MACHINE)
    assert (spec.uuid, spec.name, spec.memory_kib, spec.cpu.vcpus) == (MACHINE, MACHINE, 4 * 1024**2, 2)
    assert (spec.machine_type, spec.on_crash) == ("q35", "preserve")
    assert spec.firmware is not None
    assert spec.firmware.secure
    assert spec.firmware.vars_path == f"/opt/infinibay/machines/{MACHINE}/nvram.fd"

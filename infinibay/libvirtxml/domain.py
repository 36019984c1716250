"""A domain as a frozen value, and its XML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lxml import etree

from infinibay.core.naming import METADATA_NAMESPACE
from infinibay.libvirtxml.devices import Device
from infinibay.libvirtxml.element import Element, document, leaf, node

CpuMode = Literal["host-passthrough", "host-model", "maximum"]
CrashAction = Literal["destroy", "preserve"]


@dataclass(frozen=True)
class FirmwareSpec:
    """UEFI: the code in read-only flash, and the machine's own variables, made from a template at the first start."""

    code_path: str
    vars_template: str
    vars_path: str
    secure: bool = False


@dataclass(frozen=True)
class DirectBoot:
    """A kernel that is started without the firmware's choice, with its first root file system and its command line."""

    kernel: str
    initrd: str
    command_line: str


@dataclass(frozen=True)
class CpuSpec:
    """`vcpus` cores in one socket; without a mode the hypervisor's default model."""

    vcpus: int
    mode: CpuMode | None


@dataclass(frozen=True)
class HypervSpec:
    """What makes a Windows guest know that it runs on a hypervisor: names of enlightenments, and spinlock retries."""

    enlightenments: tuple[str, ...]
    spinlock_retries: int


@dataclass(frozen=True)
class TimerSpec:
    """A timer of the clock: a tick policy, or whether it is present."""

    name: str
    tickpolicy: str | None = None
    present: bool | None = None


@dataclass(frozen=True)
class ClockSpec:
    offset: Literal["utc", "localtime"]
    timers: tuple[TimerSpec, ...] = ()


@dataclass(frozen=True)
class DomainSpec:
    """A domain, whole. `devices` come in the order in which they are listed."""

    domain_type: str
    name: str
    uuid: str
    memory_kib: int
    cpu: CpuSpec
    arch: str
    machine_type: str | None
    firmware: FirmwareSpec | None
    hyperv: HypervSpec | None
    clock: ClockSpec
    on_crash: CrashAction
    devices: tuple[Device, ...]
    direct_boot: DirectBoot | None = None


def domain_xml(spec: DomainSpec) -> str:
    """The XML that libvirt defines the domain from; it holds the graphics' password."""
    return document(
        node(
            "domain",
            {"type": spec.domain_type},
            leaf("name", spec.name),
            leaf("uuid", spec.uuid),
            _metadata(spec.uuid),
            node("memory", {"unit": "KiB"}, text=str(spec.memory_kib)),
            node("currentMemory", {"unit": "KiB"}, text=str(spec.memory_kib)),
            node("vcpu", {"placement": "static"}, text=str(spec.cpu.vcpus)),
            _os(spec),
            _features(spec),
            _cpu(spec.cpu),
            _clock(spec.clock),
            leaf("on_poweroff", "destroy"),
            leaf("on_reboot", "restart"),
            leaf("on_crash", spec.on_crash),
            _power_management(),
            node("devices", None, *(device.element() for device in spec.devices)),
        )
    )


def _metadata(machine_id: str) -> Element:
    """Marks the domain as ours."""
    machine = etree.Element(f"{{{METADATA_NAMESPACE}}}machine", nsmap={"infinibay": METADATA_NAMESPACE})
    machine.set("id", machine_id)
    return node("metadata", None, machine)


def _os(spec: DomainSpec) -> Element:
    kind = node("type", {"arch": spec.arch, "machine": spec.machine_type}, text="hvm")
    return node("os", None, kind, *_flash(spec.firmware), *_direct_boot(spec.direct_boot))


def _flash(firmware: FirmwareSpec | None) -> tuple[Element, ...]:
    if firmware is None:
        return ()
    loader = {"readonly": "yes", "secure": "yes" if firmware.secure else None, "type": "pflash"}
    return (
        node("loader", loader, text=firmware.code_path),
        node("nvram", {"template": firmware.vars_template}, text=firmware.vars_path),
    )


def _direct_boot(boot: DirectBoot | None) -> tuple[Element, ...]:
    if boot is None:
        return ()
    return (leaf("kernel", boot.kernel), leaf("initrd", boot.initrd), leaf("cmdline", boot.command_line))


def _features(spec: DomainSpec) -> Element:
    secure = spec.firmware is not None and spec.firmware.secure
    return node(
        "features",
        None,
        node("acpi"),
        node("apic"),
        None if spec.hyperv is None else _hyperv(spec.hyperv),
        node("smm", {"state": "on"}) if secure else None,
    )


def _hyperv(spec: HypervSpec) -> Element:
    return node(
        "hyperv",
        None,
        *(node(name, {"state": "on"}) for name in spec.enlightenments),
        node("spinlocks", {"state": "on", "retries": spec.spinlock_retries}),
    )


def _cpu(spec: CpuSpec) -> Element:
    topology = node("topology", {"sockets": 1, "dies": 1, "cores": spec.vcpus, "threads": 1})
    return node("cpu", {"mode": spec.mode, "check": "none" if spec.mode else None}, topology)


def _clock(spec: ClockSpec) -> Element:
    return node("clock", {"offset": spec.offset}, *(_timer(timer) for timer in spec.timers))


def _timer(spec: TimerSpec) -> Element:
    present = None if spec.present is None else ("yes" if spec.present else "no")
    return node("timer", {"name": spec.name, "tickpolicy": spec.tickpolicy, "present": present})


def _power_management() -> Element:
    """A guest that sleeps could not be told from one that hangs."""
    off = {"enabled": "no"}
    return node("pm", None, node("suspend-to-mem", off), node("suspend-to-disk", off))

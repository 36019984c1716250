"""A domain's devices: one frozen value and one element each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from infinibay.libvirtxml.element import Element, node

Bus = Literal["virtio", "sata", "scsi", "ide"]
ControllerKind = Literal["pci", "usb", "scsi", "virtio-serial"]
PanicModel = Literal["isa", "hyperv"]


@dataclass(frozen=True)
class DiskSpec:
    """A qcow2 file as a disk. `boot_order` counts from 1."""

    path: str
    target: str
    bus: Bus
    boot_order: int | None = None
    cache: Literal["writeback", "none"] | None = None
    discard: bool = False

    def element(self) -> Element:
        driver = {
            "name": "qemu",
            "type": "qcow2",
            "cache": self.cache,
            "discard": "unmap" if self.discard else None,
        }
        return node(
            "disk",
            {"type": "file", "device": "disk"},
            node("driver", driver),
            node("source", {"file": self.path}),
            node("target", {"dev": self.target, "bus": self.bus}),
            _boot(self.boot_order),
        )


@dataclass(frozen=True)
class CdromSpec:
    """A CD-ROM drive; without a path it is empty."""

    path: str | None
    target: str
    bus: Bus
    boot_order: int | None = None
    format: Literal["raw", "qcow2"] = "raw"

    def element(self) -> Element:
        return node(
            "disk",
            {"type": "file", "device": "cdrom"},
            node("driver", {"name": "qemu", "type": self.format}),
            node("source", {"file": self.path}) if self.path else None,
            node("target", {"dev": self.target, "bus": self.bus}),
            node("readonly"),
            _boot(self.boot_order),
        )


@dataclass(frozen=True)
class NicSpec:
    """A virtio network interface on a libvirt network or on a bridge of the host, behind a filter if one is named."""

    kind: Literal["network", "bridge"]
    source: str
    mac: str
    filter: str | None = None

    def element(self) -> Element:
        return node(
            "interface",
            {"type": self.kind},
            node("mac", {"address": self.mac}),
            node("source", {self.kind: self.source}),
            node("model", {"type": "virtio"}),
            node("filterref", {"filter": self.filter}) if self.filter else None,
        )


@dataclass(frozen=True)
class GraphicsSpec:
    """The screen's server. libvirt picks the port at each start; VNC takes passwords of at most 8 characters."""

    protocol: Literal["vnc", "spice"]
    listen: str
    password: str = field(repr=False)

    def element(self) -> Element:
        attributes = {
            "type": self.protocol,
            "port": "-1" if self.protocol == "vnc" else None,
            "autoport": "yes",
            "listen": self.listen,
            "passwd": self.password,
        }
        return node("graphics", attributes, node("listen", {"type": "address", "address": self.listen}))


@dataclass(frozen=True)
class ControllerSpec:
    """A controller; `index` only where the order matters."""

    kind: ControllerKind
    model: str | None = None
    index: int | None = None

    def element(self) -> Element:
        return node("controller", {"type": self.kind, "index": self.index, "model": self.model})


@dataclass(frozen=True)
class TpmSpec:
    """A TPM 2.0 that swtpm emulates."""

    model: Literal["tpm-crb", "tpm-tis"]

    def element(self) -> Element:
        return node("tpm", {"model": self.model}, node("backend", {"type": "emulator", "version": "2.0"}))


@dataclass(frozen=True)
class SerialSpec:
    """A serial port as a terminal, with everything that it prints also in `log_path` on the host."""

    log_path: str | None

    def element(self) -> Element:
        log = node("log", {"file": self.log_path, "append": "on"}) if self.log_path else None
        return node("serial", {"type": "pty"}, log, node("target", {"type": "isa-serial", "port": 0}))


@dataclass(frozen=True)
class ChannelSpec:
    """A virtio-serial port that both ends know by name; what a guest writes to a terminal may also go to a file."""

    kind: Literal["unix", "spicevmc", "pty"]
    name: str
    log_path: str | None = None

    def element(self) -> Element:
        log = node("log", {"file": self.log_path, "append": "on"}) if self.log_path else None
        return node("channel", {"type": self.kind}, log, node("target", {"type": "virtio", "name": self.name}))


@dataclass(frozen=True)
class VideoSpec:
    """The graphics card."""

    model: str

    def element(self) -> Element:
        return node("video", None, node("model", {"type": self.model}))


@dataclass(frozen=True)
class TabletSpec:
    """A pointer with absolute positions, so that it does not drift from the viewer's."""

    def element(self) -> Element:
        return node("input", {"type": "tablet", "bus": "usb"})


@dataclass(frozen=True)
class BalloonSpec:
    """The memory balloon; the guest reports its figures every so many seconds."""

    stats_seconds: int

    def element(self) -> Element:
        return node("memballoon", {"model": "virtio"}, node("stats", {"period": self.stats_seconds}))


@dataclass(frozen=True)
class RngSpec:
    """Random numbers of the host for the guest."""

    path: str

    def element(self) -> Element:
        return node("rng", {"model": "virtio"}, node("backend", {"model": "random"}, text=self.path))


@dataclass(frozen=True)
class PanicSpec:
    """Lets the guest report that its kernel has died."""

    model: PanicModel

    def element(self) -> Element:
        return node("panic", {"model": self.model})


Device = (
    DiskSpec
    | CdromSpec
    | ControllerSpec
    | NicSpec
    | SerialSpec
    | ChannelSpec
    | TabletSpec
    | TpmSpec
    | GraphicsSpec
    | VideoSpec
    | BalloonSpec
    | RngSpec
    | PanicSpec
)


def _boot(order: int | None) -> Element | None:
    return None if order is None else node("boot", {"order": order})

"""Storage pools and volumes."""

from __future__ import annotations

from dataclasses import dataclass

from infinibay.libvirtxml.element import Element, document, leaf, node

# QEMU's own account must reach a disk in the pool, and nobody needs to list them.
POOL_MODE = "0711"
VOLUME_MODE = "0600"


@dataclass(frozen=True)
class PoolSpec:
    """A directory with volumes in it; `path` is absolute."""

    name: str
    path: str


@dataclass(frozen=True)
class VolumeSpec:
    """A thin qcow2 volume; its capacity is in GB (2^30 bytes). With a `backing` path, a qcow2 file too, it holds only
    what differs from that."""

    name: str
    capacity_gb: int
    backing: str | None = None


def pool_xml(spec: PoolSpec) -> str:
    target = node("target", None, leaf("path", spec.path), _permissions(POOL_MODE))
    return document(node("pool", {"type": "dir"}, leaf("name", spec.name), target))


def volume_xml(spec: VolumeSpec) -> str:
    """`allocation` is 0 because libvirt reserves the whole capacity when it is left out."""
    target = node(
        "target",
        None,
        node("format", {"type": "qcow2"}),
        _permissions(VOLUME_MODE),
        leaf("compat", "1.1"),
        node("nocow"),
        node("features", None, node("lazy_refcounts"), node("extended_l2")),
    )
    return document(
        node(
            "volume",
            {"type": "file"},
            leaf("name", spec.name),
            node("allocation", {"unit": "bytes"}, text="0"),
            node("capacity", {"unit": "GiB"}, text=str(spec.capacity_gb)),
            target,
            _backing(spec.backing),
        )
    )


def _backing(path: str | None) -> Element | None:
    # Its format is said, so that nobody has to guess it from what a guest wrote.
    return None if path is None else node("backingStore", None, leaf("path", path), node("format", {"type": "qcow2"}))


def _permissions(mode: str) -> Element:
    return node("permissions", None, leaf("mode", mode))

"""Domains for tests of the hypervisor layer: small, diskless, without a guest system."""

from __future__ import annotations

import uuid


def new_uuid() -> str:
    return str(uuid.uuid4())


def twin_domain(name: str, identity: str, extra: str = "") -> str:
    """A domain of libvirt's test driver."""
    return (
        f"<domain type='test'><name>{name}</name><uuid>{identity}</uuid><memory unit='MiB'>64</memory>"
        f"<os><type>hvm</type></os><devices>{extra}</devices></domain>"
    )


def diskless_domain(name: str, identity: str, *, kind: str = "qemu", os: str = "", devices: str = "") -> str:
    """A real QEMU that finds nothing to boot; `kind` is the domain type."""
    return (
        f"<domain type='{kind}'><name>{name}</name><uuid>{identity}</uuid><memory unit='MiB'>32</memory>"
        f"<os><type arch='x86_64' machine='q35'>hvm</type>{os}</os>"
        f"<features><acpi/></features>"
        f"<devices><controller type='usb' model='none'/><memballoon model='none'/>{devices}</devices></domain>"
    )

"""A domain's definition without what its installer needed."""

from __future__ import annotations

from collections.abc import Collection

from infinibay.libvirtxml.element import document, parse

_DIRECT_BOOT = ("kernel", "initrd", "cmdline")


def without_media(xml: str, *, drive: str, extra: Collection[str]) -> str:
    """The same definition that boots its disk: no kernel of its own, nothing in the drive, no drive that only the
    installer had.

    What else was changed from outside stays.
    """
    root = parse(xml)
    boots = root.find("os")
    for name in _DIRECT_BOOT:
        if boots is not None and (found := boots.find(name)) is not None:
            boots.remove(found)
    devices = root.find("devices")
    if devices is None:
        return document(root)
    for disk in devices.findall("disk[@device='cdrom']"):
        target = disk.find("target")
        name = "" if target is None else target.get("dev", "")
        if name in extra:
            devices.remove(disk)
        elif name == drive:
            for inner in disk.findall("source") + disk.findall("backingStore"):
                disk.remove(inner)
            driver = disk.find("driver")
            if driver is not None:
                driver.set("type", "raw")
    return document(root)


def empty_cdrom_xml(xml: str, target: str) -> str:
    """The running domain's drive as a device without a medium. ValueError when it has no such drive."""
    for disk in parse(xml).iterfind("devices/disk[@device='cdrom']"):
        found = disk.find("target")
        if found is not None and found.get("dev") == target:
            for inner in disk.findall("source") + disk.findall("backingStore"):
                disk.remove(inner)
            return document(disk)
    raise ValueError(f"the domain has no drive {target}")

"""The one place for names of libvirt objects: each derives from the id of a machine, department or image alone."""

from __future__ import annotations

import unicodedata
from uuid import UUID, uuid5

METADATA_NAMESPACE = "https://infinibay.org/xmlns/domain/1"
_FILTER_SPACE = UUID("6b1c6a7e-2f0e-5d43-9a8e-6a2f5a4d1c11")


def domain_name(machine_id: str) -> str:
    """The domain's name, which is the machine's internalName."""
    return machine_id


def main_volume(internal_name: str) -> str:
    return f"{internal_name}-main.qcow2"


def image_volume(image_id: str) -> str:
    return f"image-{image_id}.qcow2"


def image_domain(image_id: str) -> str:
    """The domain in which an image is made fit for others; its UUID is the image's id."""
    return f"image-{image_id}"


def machine_filter(machine_id: str) -> str:
    """The nwfilter of a machine; whole ids, because a shortened one can collide."""
    return f"ibay-vm-{UUID(machine_id).hex}"


def department_filter(department_id: str) -> str:
    return f"ibay-department-{UUID(department_id).hex}"


def filter_uuid(filter_name: str) -> str:
    """The nwfilter's UUID, so that a redefinition always replaces and never collides."""
    return str(uuid5(_FILTER_SPACE, filter_name))


def mac_address(machine_id: str, position: int = 0) -> str:
    """A MAC in QEMU's range, the same at each definition."""
    tail = uuid5(UUID(machine_id), f"nic-{position}").bytes
    return "52:54:00:{:02x}:{:02x}:{:02x}".format(*tail[:3])


def name_key(name: str) -> str:
    """What makes a name unique: trimmed, without case, in one Unicode form."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()

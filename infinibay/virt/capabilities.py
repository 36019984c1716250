"""What the hypervisor offers, read from libvirt's answers and QEMU's firmware descriptors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import libvirt

from infinibay.libvirtxml.element import Element, parse
from infinibay.log import get_logger
from infinibay.virt.api import Capabilities

log = get_logger(__name__)

_ARCHITECTURE = "x86_64"
_MACHINE = "q35"
_PREFERENCE = ("kvm", "qemu")
# Of two descriptors with the same file name the first folder's counts, as QEMU's interface for them says.
_FIRMWARE_DIRS = (Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))


@dataclass(frozen=True)
class Firmware:
    """A UEFI image and the template of its variables."""

    code: str
    variables: str
    secure: bool


def probe(connection: libvirt.virConnect) -> Capabilities:
    """Asks the hypervisor; takes seconds when libvirtd has to examine QEMU first. Raises libvirtError."""
    if connection.getType() == "TEST":
        return _test_driver(connection)
    types = domain_types(connection.getCapabilities())
    answers = {kind: parse(connection.getDomainCapabilities(None, _ARCHITECTURE, _MACHINE, kind, 0)) for kind in types}
    main = answers[types[0]]
    firmwares = [found for found in _firmwares() if found.code in _texts(main, "os/loader/value")]
    plain = next((found for found in firmwares if not found.secure), None)
    secure = next((found for found in firmwares if found.secure), None)
    return Capabilities(
        domain_types=types,
        machine_type=main.findtext("machine") or _MACHINE,
        max_vcpus=min(int(_attribute(answer.find("vcpu"), "max", "1")) for answer in answers.values()),
        host_cpus=connection.getInfo()[2],
        host_memory_kib=connection.getInfo()[1] * 1024,
        efi=plain is not None,
        secure_boot=secure is not None and "yes" in _enum(main, "os/loader", "secure"),
        efi_code=plain.code if plain else None,
        efi_vars=plain.variables if plain else None,
        secure_code=secure.code if secure else None,
        secure_vars=secure.variables if secure else None,
        tpm="emulator" in _enum(main, "devices/tpm", "backendModel"),
        nwfilter=_has_nwfilter(connection),
        graphics=_enum(main, "devices/graphics", "type"),
        video_models=_enum(main, "devices/video", "modelType"),
        cpu_modes=_common_cpu_modes(list(answers.values())),
        hypervisor_version=_version(connection.getVersion()),
        libvirt_version=_version(connection.getLibVersion()),
    )


def domain_types(capabilities_xml: str) -> tuple[str, ...]:
    """The domain types of our architecture, the preferred one first."""
    guests = parse(capabilities_xml).iterfind(f"guest[os_type='hvm']/arch[@name='{_ARCHITECTURE}']/domain")
    found = {guest.get("type") for guest in guests}
    return tuple(kind for kind in _PREFERENCE if kind in found) or _PREFERENCE[-1:]


def firmware_of(descriptor: dict[str, Any]) -> Firmware | None:
    """The pflash firmware that a descriptor (QEMU's docs/interop/firmware.json) offers for our machine type, if any.

    Secure boot counts only with keys enrolled: without keys it checks nothing.
    """
    targets = [
        machine
        for target in descriptor["targets"]
        if target["architecture"] == _ARCHITECTURE
        for machine in target["machines"]
    ]
    mapping, features = descriptor["mapping"], descriptor["features"]
    enforces, enrolled = "secure-boot" in features, "enrolled-keys" in features
    if (
        "uefi" not in descriptor["interface-types"]
        or mapping["device"] != "flash"
        or "nvram-template" not in mapping
        or not any(fnmatch(f"pc-{_MACHINE}-0", machine) for machine in targets)
        or enforces != enrolled
    ):
        return None
    if "executable" not in mapping or mapping["executable"]["format"] != "raw":
        return None
    return Firmware(mapping["executable"]["filename"], mapping["nvram-template"]["filename"], secure=enforces)


def _firmwares() -> list[Firmware]:
    """What the descriptors of this machine offer, in their order of priority."""
    files: dict[str, Path] = {}
    for folder in _FIRMWARE_DIRS:
        for file in folder.glob("*.json"):
            files.setdefault(file.name, file)
    found: list[Firmware] = []
    for _name, file in sorted(files.items()):
        try:
            firmware = firmware_of(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("virt.firmware_descriptor_unreadable", file=str(file), reason=str(error))
            continue
        if firmware is not None:
            found.append(firmware)
    return found


def _test_driver(connection: libvirt.virConnect) -> Capabilities:
    """libvirt's test driver has no domain capabilities and takes any well-formed domain."""
    info = connection.getInfo()
    return Capabilities(
        domain_types=("test",),
        machine_type="",
        max_vcpus=connection.getMaxVcpus(None),
        host_cpus=info[2],
        host_memory_kib=info[1] * 1024,
        efi=False,
        secure_boot=False,
        efi_code=None,
        efi_vars=None,
        secure_code=None,
        secure_vars=None,
        tpm=False,
        nwfilter=False,
        graphics=("vnc", "spice"),
        video_models=("virtio", "vga"),
        cpu_modes=(),
        hypervisor_version=_version(connection.getVersion()),
        libvirt_version=_version(connection.getLibVersion()),
    )


def _common_cpu_modes(answers: list[Element]) -> tuple[str, ...]:
    """The CPU modes that every domain type of the host has, so that the choice of the type leaves them true."""
    modes = [
        [_attribute(mode, "name", "") for mode in answer.iterfind("cpu/mode[@supported='yes']")] for answer in answers
    ]
    return tuple(mode for mode in modes[0] if all(mode in others for others in modes))


def _has_nwfilter(connection: libvirt.virConnect) -> bool:
    try:
        connection.numOfNWFilters()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return False
    return True


def _enum(root: Element, path: str, name: str) -> tuple[str, ...]:
    found = root.find(path)
    if found is None or found.get("supported") != "yes":
        return ()
    return _texts(found, f"enum[@name='{name}']/value")


def _texts(root: Element, path: str) -> tuple[str, ...]:
    return tuple(found.text or "" for found in root.iterfind(path))


def _attribute(found: Element | None, name: str, default: str) -> str:
    return default if found is None else found.get(name, default)


def _version(number: int) -> str:
    """libvirt's numbers are 1000000 * major + 1000 * minor + release."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"

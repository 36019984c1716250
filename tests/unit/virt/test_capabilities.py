from __future__ import annotations

from typing import Any

import pytest

from infinibay.virt.capabilities import Firmware, domain_types, firmware_of
from infinibay.virt.kvm_probe import qemu_owner


def descriptor(features: list[str], machines: list[str] | None = None, device: str = "flash") -> dict[str, Any]:
    return {
        "interface-types": ["uefi"],
        "mapping": {
            "device": device,
            "executable": {"filename": "/fw/CODE.fd", "format": "raw"},
            "nvram-template": {"filename": "/fw/VARS.fd", "format": "raw"},
        },
        "targets": [{"architecture": "x86_64", "machines": machines or ["pc-q35-*"]}],
        "features": features,
    }


@pytest.mark.parametrize(
    ("given", "offered"),
    [
        (descriptor(["acpi-s3"]), Firmware("/fw/CODE.fd", "/fw/VARS.fd", secure=False)),
        (descriptor(["secure-boot", "enrolled-keys"]), Firmware("/fw/CODE.fd", "/fw/VARS.fd", secure=True)),
        (descriptor(["secure-boot"]), None),
        (descriptor([], machines=["pc-i440fx-*"]), None),
        (descriptor([], device="memory"), None),
    ],
)
def test_firmware_descriptors(given: dict[str, Any], offered: Firmware | None) -> None:
    assert firmware_of(given) == offered


def test_kvm_is_preferred_where_libvirt_lists_it() -> None:
    def capabilities(*types: str) -> str:
        domains = "".join(f"<domain type='{kind}'/>" for kind in types)
        return f"<capabilities><guest><os_type>hvm</os_type><arch name='x86_64'>{domains}</arch></guest></capabilities>"

    assert domain_types(capabilities("qemu", "kvm")) == ("kvm", "qemu")
    assert domain_types(capabilities("qemu")) == ("qemu",)


def test_qemus_account_is_read_from_libvirts_answer() -> None:
    label = "<secmodel><model>dac</model><baselabel type='kvm'>+65530:+65531</baselabel></secmodel>"
    assert qemu_owner(f"<capabilities><host>{label}</host></capabilities>") == (65530, 65531)
    assert qemu_owner("<capabilities><host/></capabilities>") is None

"""What is sent to libvirt, whole: golden files, each valid for libvirt's schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from infinibay.core import naming
from infinibay.libvirtxml.domain import domain_xml
from infinibay.libvirtxml.installed import empty_cdrom_xml, without_media
from infinibay.libvirtxml.nwfilter import NwFilterSpec, nwfilter_xml
from infinibay.libvirtxml.reader import cdroms
from infinibay.libvirtxml.storage import PoolSpec, VolumeSpec, pool_xml, volume_xml
from infinibay.services.machines.design import DRIVERS_DRIVE, MEDIUM_DRIVE, SEED_DRIVE
from tests.support.sample_domains import INSTALLERS, SAMPLES
from tests.unit.libvirtxml.conftest import GOLDEN, Judge

MACHINE = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"
DEPARTMENT = "7c1f4c52-93f5-4b52-8f0e-0a4d7f1b2e33"


@pytest.mark.parametrize("name", SAMPLES)
def test_domain(name: str, golden: Judge, valid: Judge) -> None:
    xml = domain_xml(SAMPLES[name].spec(MACHINE))

    golden(name, xml)
    valid("domain", xml)


@pytest.mark.parametrize("name", INSTALLERS)
def test_domain_of_an_installer(name: str, golden: Judge, valid: Judge) -> None:
    sample, media = INSTALLERS[name]
    xml = domain_xml(SAMPLES[sample].installer_spec(MACHINE, media))

    golden(name, xml)
    valid("domain", xml)


@pytest.mark.parametrize("name", INSTALLERS)
def test_what_an_installer_had_is_taken_out(name: str, valid: Judge) -> None:
    sample, media = INSTALLERS[name]
    changed = domain_xml(SAMPLES[sample].installer_spec(MACHINE, media)).replace(
        "</vcpu>", "</vcpu><iothreads>2</iothreads>"
    )

    xml = without_media(changed, drive=MEDIUM_DRIVE, extra=(SEED_DRIVE, DRIVERS_DRIVE))

    valid("domain", xml)
    assert [drive.source for drive in cdroms(xml)] == [None]
    assert not any(word in xml for word in ("<kernel>", "<initrd>", "<cmdline>", ".iso"))
    assert "<iothreads>2</iothreads>" in xml
    assert 'passwd="s3cretPw"' in xml


def test_a_drive_of_a_running_domain_is_emptied() -> None:
    xml = domain_xml(SAMPLES["ubuntu-kvm-efi-vnc"].spec(MACHINE))
    assert "ubuntu.iso" in xml
    assert [
        drive.source for drive in cdroms(f"<domain><devices>{empty_cdrom_xml(xml, MEDIUM_DRIVE)}</devices></domain>")
    ] == [None]
    with pytest.raises(ValueError, match="no drive sdz"):
        empty_cdrom_xml(xml, "sdz")


def test_department_filter(golden: Judge, valid: Judge) -> None:
    name = naming.department_filter(DEPARTMENT)
    xml = nwfilter_xml(NwFilterSpec(name, naming.filter_uuid(name)))

    golden("nwfilter-department", xml)
    valid("nwfilter", xml)


def test_machine_filter(golden: Judge, valid: Judge) -> None:
    name = naming.machine_filter(MACHINE)
    xml = nwfilter_xml(NwFilterSpec(name, naming.filter_uuid(name), parent=naming.department_filter(DEPARTMENT)))

    golden("nwfilter-machine", xml)
    valid("nwfilter", xml)


def test_pool(golden: Judge, valid: Judge) -> None:
    xml = pool_xml(PoolSpec("default", "/opt/infinibay/disks"))

    golden("pool", xml)
    valid("storagepool", xml)


def test_volume(golden: Judge, valid: Judge) -> None:
    xml = volume_xml(VolumeSpec(naming.main_volume(naming.domain_name(MACHINE)), capacity_gb=64))

    golden("volume", xml)
    valid("storagevol", xml)


def test_volume_on_an_image(golden: Judge, valid: Judge) -> None:
    xml = volume_xml(VolumeSpec("disk.qcow2", capacity_gb=64, backing="/opt/infinibay/disks/image.qcow2"))

    golden("volume-on-image", xml)
    valid("storagevol", xml)


def test_every_golden_file_is_compared() -> None:
    others = {"nwfilter-department", "nwfilter-machine", "pool", "volume", "volume-on-image"}
    assert {file.stem for file in Path(GOLDEN).iterdir()} == {*SAMPLES, *INSTALLERS, *others}

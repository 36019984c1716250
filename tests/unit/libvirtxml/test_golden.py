"""What is sent to libvirt, whole: golden files, each valid for libvirt's schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from infinibay.core import naming
from infinibay.libvirtxml.domain import domain_xml
from infinibay.libvirtxml.nwfilter import NwFilterSpec, nwfilter_xml
from infinibay.libvirtxml.storage import PoolSpec, VolumeSpec, pool_xml, volume_xml
from tests.support.sample_domains import SAMPLES
from tests.unit.libvirtxml.conftest import GOLDEN, Judge

MACHINE = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"
DEPARTMENT = "7c1f4c52-93f5-4b52-8f0e-0a4d7f1b2e33"


@pytest.mark.parametrize("name", SAMPLES)
def test_domain(name: str, golden: Judge, valid: Judge) -> None:
    xml = domain_xml(SAMPLES[name].spec(MACHINE))

    golden(name, xml)
    valid("domain", xml)


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


def test_every_golden_file_is_compared() -> None:
    others = {"nwfilter-department", "nwfilter-machine", "pool", "volume"}
    assert {file.stem for file in Path(GOLDEN).iterdir()} == {*SAMPLES, *others}

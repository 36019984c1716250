"""Reading back what libvirt tells."""

from __future__ import annotations

import pytest

from infinibay.libvirtxml import reader
from infinibay.libvirtxml.domain import domain_xml
from infinibay.libvirtxml.reader import CdromFacts, GraphicsFacts
from tests.support.sample_domains import SAMPLES

MACHINE = "0b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"
RUNNING = """<domain type='qemu' id='3'>
  <name>other</name>
  <uuid>4b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11</uuid>
  <devices>
    <disk type='file' device='disk'>
      <source file='/pool/top.qcow2' index='2'/>
      <backingStore type='file' index='3'>
        <format type='qcow2'/>
        <source file='/pool/base.qcow2'/>
        <backingStore/>
      </backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='block' device='disk'><source dev='/dev/sdb'/><target dev='vdb' bus='virtio'/></disk>
    <disk type='file' device='disk'><source file='/pool/base.qcow2'/><target dev='vdc' bus='virtio'/></disk>
    <graphics type='spice' port='5901' autoport='yes' listen='127.0.0.1' passwd='hunter2'>
      <listen type='address' address='127.0.0.1'/>
    </graphics>
  </devices>
</domain>"""


def test_our_own_definition() -> None:
    xml = domain_xml(SAMPLES["windows11-qemu-secure-vnc"].spec(MACHINE))

    assert reader.uuid(xml) == MACHINE
    assert reader.machine_id(xml) == MACHINE
    assert reader.graphics(xml) == GraphicsFacts("vnc", None, "127.0.0.1")
    assert reader.graphics_port(xml) is None
    assert reader.cdroms(xml) == (CdromFacts("sda", "/opt/infinibay/iso/windows11.iso"),)
    assert reader.disk_sources(xml) == (
        f"/opt/infinibay/disks/{MACHINE}-main.qcow2",
        "/opt/infinibay/iso/windows11.iso",
    )
    assert reader.nvram_path(xml) == f"/opt/infinibay/machines/{MACHINE}/nvram.fd"


def test_an_empty_drive() -> None:
    xml = domain_xml(SAMPLES["ubuntu-kvm-efi-vnc-installed-bridge"].spec(MACHINE))
    assert reader.cdroms(xml) == (CdromFacts("sda", None),)


def test_a_running_domain_that_is_not_ours() -> None:
    assert reader.uuid(RUNNING) == "4b9f6f0e-6a53-4d0f-9d0c-3f2a1d5e7c11"
    assert reader.machine_id(RUNNING) is None
    assert reader.graphics(RUNNING) == GraphicsFacts("spice", 5901, "127.0.0.1")
    assert reader.graphics_port(RUNNING) == 5901
    assert reader.disk_sources(RUNNING) == ("/pool/top.qcow2", "/pool/base.qcow2")
    assert reader.cdroms(RUNNING) == ()
    assert reader.nvram_path(RUNNING) is None


def test_a_domain_without_a_screen() -> None:
    assert reader.graphics("<domain/>") is None
    assert reader.graphics_port("<domain/>") is None


@pytest.mark.parametrize("name", SAMPLES)
def test_secrets_are_replaced_and_the_rest_stays(name: str) -> None:
    xml = domain_xml(SAMPLES[name].spec(MACHINE))
    assert reader.without_secrets(xml) == xml.replace('passwd="s3cretPw"', 'passwd="***"')
    assert "s3cretPw" in xml


def test_every_password_is_replaced() -> None:
    two = "<domain><devices><graphics passwd='a1'/><x><y passwd='b2'/></x></devices></domain>"
    hidden = reader.without_secrets(two)
    assert hidden.count('passwd="***"') == 2
    assert "a1" not in hidden
    assert "b2" not in hidden

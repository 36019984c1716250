"""What we write is what libvirt and QEMU take: definitions, filters and volumes in the real qemu:///system."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from infinibay.core import naming
from infinibay.libvirtxml import reader
from infinibay.libvirtxml.domain import domain_xml
from infinibay.libvirtxml.nwfilter import NwFilterSpec, nwfilter_xml
from infinibay.libvirtxml.storage import PoolSpec, VolumeSpec, pool_xml, volume_xml
from infinibay.services.machines.design import design, machine_directory
from tests.support.sample_domains import SAMPLES
from tests.support.wait import until_sync

REAL = [name for name, sample in SAMPLES.items() if sample.domain_type == "qemu"]
KVM = [name for name, sample in SAMPLES.items() if sample.domain_type == "kvm"]
TEST_DRIVER = [name for name, sample in SAMPLES.items() if sample.domain_type == "test"]


def virsh(*arguments: str, xml: str | None = None, uri: str = "qemu:///system") -> str:
    """virsh's answer; an XML is handed over as its last argument, a file. AssertionError with its complaint."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml", encoding="utf-8") as file:
        file.write(xml or "")
        file.flush()
        command = ["virsh", "-q", "-c", uri, *arguments, *([file.name] if xml is not None else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# mov dx, 0x505; mov al, 1; out dx, al; hlt; jmp back to hlt: what a Linux kernel does when it panics.
PANICKING_BOOT_SECTOR = bytes.fromhex("ba0505b001eef4ebfd").ljust(510, b"\0") + b"\x55\xaa"


@dataclass(frozen=True)
class Host:
    """Places on the host that are the test's own; `folder` lets QEMU's account pass."""

    folder: Path
    network: str
    pool: str
    machine_id: str


@pytest.fixture
def filters() -> Iterator[tuple[str, str]]:
    """The id of a machine and the name of its filter, which is defined, with its department's."""
    machine_id, department_id = str(uuid4()), str(uuid4())
    parent, child = naming.department_filter(department_id), naming.machine_filter(machine_id)
    virsh("nwfilter-define", "--validate", xml=nwfilter_xml(NwFilterSpec(parent, naming.filter_uuid(parent))))
    try:
        spec = NwFilterSpec(child, naming.filter_uuid(child), parent=parent)
        virsh("nwfilter-define", "--validate", xml=nwfilter_xml(spec))
        yield machine_id, child
        virsh("nwfilter-undefine", child)
    finally:
        virsh("nwfilter-undefine", parent)


@pytest.fixture
def host(filters: tuple[str, str]) -> Iterator[Host]:
    """A pool, and a network without addresses, so that it needs no dnsmasq."""
    machine_id, _filter = filters
    short = f"ibt-{machine_id[:8]}"
    folder = Path(tempfile.mkdtemp(prefix="ibay-definitions-"))
    folder.chmod(0o711)
    virsh("net-create", xml=f"<network><name>{short}</name><bridge name='{short}'/></network>")
    virsh("pool-define", "--validate", xml=pool_xml(PoolSpec(short, str(folder / "disks"))))
    try:
        virsh("pool-build", short)
        virsh("pool-start", short)
        yield Host(folder, short, short, machine_id)
    finally:
        virsh("pool-destroy", short)
        virsh("pool-undefine", short)
        virsh("net-destroy", short)
        shutil.rmtree(folder)


def make_volume(host: Host, capacity_gb: int) -> str:
    name = naming.main_volume(naming.domain_name(host.machine_id))
    virsh("vol-create", "--prealloc-metadata", host.pool, xml=volume_xml(VolumeSpec(name, capacity_gb)))
    return virsh("vol-path", "--pool", host.pool, name)


@pytest.mark.parametrize("name", REAL)
def test_libvirt_takes_the_definition(name: str) -> None:
    define_and_undefine(name)


def test_libvirt_takes_the_definitions_for_kvm() -> None:
    """Where the host has no KVM at all libvirt refuses its type, and names it."""
    if Path("/dev/kvm").exists():
        for name in KVM:
            define_and_undefine(name)
    else:
        with pytest.raises(AssertionError, match="kvm"):
            define_and_undefine(KVM[0])


def define_and_undefine(name: str) -> None:
    machine_id = str(uuid4())
    virsh("define", "--validate", xml=domain_xml(SAMPLES[name].spec(machine_id)))
    try:
        kept = virsh("dumpxml", "--inactive", machine_id)
    finally:
        virsh("undefine", machine_id, "--nvram")
    assert reader.machine_id(kept) == machine_id
    assert reader.uuid(kept) == machine_id


@pytest.mark.parametrize("name", TEST_DRIVER)
def test_the_test_driver_takes_the_definition(name: str) -> None:
    # The driver forgets everything with the connection, so one process must do it all.
    machine_id = str(uuid4())
    with tempfile.NamedTemporaryFile("w", suffix=".xml", encoding="utf-8") as file:
        file.write(domain_xml(SAMPLES[name].spec(machine_id)))
        file.flush()
        script = f"define --validate {file.name}; start {machine_id}; domstate {machine_id}"
        assert virsh(script, uri="test:///default").splitlines()[-1] == "running"


def test_a_redefined_filter_keeps_its_parent(filters: tuple[str, str]) -> None:
    _machine_id, child = filters
    before = virsh("nwfilter-dumpxml", child)

    virsh("nwfilter-define", "--validate", xml=before)

    assert virsh("nwfilter-dumpxml", child) == before
    assert "<filterref filter='ibay-department-" in before


def test_the_volume_has_the_options(host: Host) -> None:
    path = make_volume(host, capacity_gb=20)

    info = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", path], text=True))
    assert path == str(host.folder / "disks" / f"{host.machine_id}-main.qcow2")
    assert info["virtual-size"] == 20 * 1024**3
    assert info["actual-size"] < 64 * 1024**2
    special = info["format-specific"]["data"]
    assert special["compat"] == "1.1"
    assert special["lazy-refcounts"] is True
    assert special["extended-l2"] is True
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert Path(path).parent.stat().st_mode & 0o777 == 0o711


@pytest.mark.parametrize(
    ("name", "firmware"),
    [("ubuntu-qemu-efi-vnc", "efi"), ("windows11-qemu-secure-vnc", "efi-secure"), ("ubuntu-qemu-bios-spice", "bios")],
)
def test_qemu_starts_the_design(host: Host, name: str, firmware: str) -> None:
    sample = SAMPLES[name]
    wanted = sample.machine(
        host.machine_id,
        disk_path=make_volume(host, capacity_gb=1),
        machines_dir=host.folder / "machines",
        network=host.network,
    )
    directory = machine_directory(wanted.machines_dir, host.machine_id)
    directory.mkdir(mode=0o711, parents=True)
    iso = host.folder / "medium.iso"
    iso.write_bytes(bytes(1024**2))
    xml = domain_xml(design(wanted, sample.capabilities)).replace(str(wanted.iso_path), str(iso))
    tpm_state = Path("/var/lib/libvirt/swtpm") / host.machine_id
    assert wanted.choice.firmware == firmware

    virsh("define", "--validate", xml=xml)
    try:
        virsh("start", host.machine_id)
        assert virsh("domstate", host.machine_id) == "running"
        running = virsh("dumpxml", host.machine_id)
        assert (reader.graphics_port(running) or 0) >= 5900
        assert f"filter='{naming.machine_filter(host.machine_id)}'" in running
        assert (directory / "nvram.fd").exists() is (firmware != "bios")
        assert tpm_state.exists() is wanted.choice.tpm
        # The firmware's own output on the serial port proves that it runs.
        log = directory / "serial.log"
        if firmware != "bios":
            until_sync(lambda: log.stat().st_size > 0, seconds=180, what="output on the serial port")
        assert log.stat().st_uid == 0
    finally:
        if virsh("domstate", host.machine_id) == "running":
            virsh("destroy", host.machine_id)
        virsh("undefine", host.machine_id, "--nvram")
    assert not (directory / "nvram.fd").exists()
    assert not tpm_state.exists()


def test_a_guest_that_panics_is_crashed_and_starts_again(host: Host) -> None:
    sample = SAMPLES["ubuntu-qemu-bios-spice"]
    disk = make_volume(host, capacity_gb=1)
    sector = host.folder / "sector"
    sector.write_bytes(PANICKING_BOOT_SECTOR)
    subprocess.check_output(["qemu-io", "-f", "qcow2", "-c", f"write -s {sector} 0 512", disk])
    machines_dir = host.folder / "machines"
    (machines_dir / host.machine_id).mkdir(mode=0o711, parents=True)
    wanted = sample.machine(host.machine_id, disk_path=disk, machines_dir=machines_dir, network=host.network)

    virsh("define", "--validate", xml=domain_xml(design(replace(wanted, iso_path=None), sample.capabilities)))
    try:
        for _start in range(2):
            virsh("start", host.machine_id)
            until_sync(lambda: virsh("domstate", host.machine_id) == "crashed", seconds=180, what="the crash")
            virsh("destroy", host.machine_id)
            assert virsh("domstate", host.machine_id) == "shut off"
    finally:
        if virsh("domstate", host.machine_id) != "shut off":
            virsh("destroy", host.machine_id)
        virsh("undefine", host.machine_id)

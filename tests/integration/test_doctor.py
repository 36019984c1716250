"""The whole report with each part down in turn: it always has every check, each in its place."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import libvirt
import pytest

from infinibay.bootstrap.diagnosis import diagnose, serving_doctor
from infinibay.bootstrap.foundation import connected
from infinibay.db import hosts
from infinibay.host.identity import keep_id
from infinibay.services.doctor import CheckState, HostCheck
from infinibay.virt.hypervisor import LibvirtHypervisor
from tests.support.databases import base_directory, execute, settings_below
from tests.support.twin import twin_uri

NAMES = [
    *("base directory", "secrets", "space", "database", "migrations", "query engine", "hypervisor", "worker"),
    *("cpu", "kvm device", "kvm", "uefi", "secure boot", "tpm", "pool", "network", "network filters"),
    *("bridge filtering", "memory", "iommu", "media", "media programs", "windows drivers", "clock", "other domains"),
]


async def report(base: Path, **settings: str) -> dict[str, HostCheck]:
    """The report on a host with libvirt's test driver, unless the settings say another."""
    found = await diagnose(settings_below(base, **{"LIBVIRT_URI": twin_uri(base), **settings}))
    assert [check.name for check in found] == NAMES
    assert [check.name for check in found if check.state is not CheckState.OK and not check.remedy] == []
    return {check.name: check for check in found}


async def test_all_is_there(database_url: str, tmp_path: Path) -> None:
    found = await report(tmp_path, DATABASE_URL=database_url, INFINIBAY_STORAGE_POOL_NAME="default-pool")
    names = ("database", "migrations", "query engine", "hypervisor", "pool", "network", "other domains")
    assert {name: found[name].state for name in names} == dict.fromkeys(names, CheckState.OK)
    assert found["database"].evidence.startswith("PostgreSQL 18.")
    assert found["network"].evidence == "default is active"
    assert found["other domains"].evidence == "test: not ours, never touched"


async def test_the_domain_in_which_an_image_is_made_is_ours(database_url: str, tmp_path: Path) -> None:
    with closing(libvirt.open(twin_uri(tmp_path))) as hypervisor:
        (domain,) = hypervisor.listAllDomains()
        image = domain.UUIDString()
    await execute(
        database_url,
        "INSERT INTO images (id, name, name_key, os, kind, state, pool, volume_name, format, size_gb)"
        f" VALUES ('{image}', 'Golden', 'golden', 'ubuntu', 'image', 'making', 'default-pool', 'i.qcow2', 'qcow2', 1)",
    )

    found = await report(tmp_path, DATABASE_URL=database_url)

    assert found["other domains"].evidence == "none"


async def test_the_database_is_away(tmp_path: Path) -> None:
    url = "postgresql://ann:planted-secret@127.0.0.1:1/infinibay"
    found = await report(tmp_path, DATABASE_URL=url)
    assert found["database"].state is CheckState.FAILED
    mend = "Start PostgreSQL so that it answers at 127.0.0.1:1/infinibay, or mend DATABASE_URL"
    assert found["database"].remedy == mend
    assert {found[name].evidence for name in ("migrations", "query engine", "worker")} == {"not known, see database"}
    assert found["hypervisor"].state is CheckState.OK
    assert "the host's 1 domains are ours is not known" in found["other domains"].evidence
    assert "planted-secret" not in str(found)


async def test_the_embedded_database_can_t_be_started() -> None:
    with base_directory() as base:
        (base / "database").mkdir()
        (base / "run").mkdir()
        (base / "database" / "PG_VERSION").write_text("99\n")
        os.chown(base / "database", 1, 1)
        found = await report(base)
    assert found["database"].state is CheckState.FAILED
    assert "holds a database of PostgreSQL 99" in found["database"].evidence


async def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    base = tmp_path / "base"
    uri = twin_uri(tmp_path)
    found = {check.name: check for check in await diagnose(settings_below(base, LIBVIRT_URI=uri))}
    assert found["database"].evidence == f"is made with the first start, embedded in {base}/database"
    assert found["query engine"].remedy == "scripts/start"
    assert not base.exists()


async def test_the_query_engine_is_broken(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way of the engine's socket")
    found = await report(tmp_path, DATABASE_URL=database_url)
    assert found["database"].state is CheckState.OK
    assert found["query engine"].state is CheckState.FAILED
    assert found["worker"].evidence == "not known, see query engine"


@pytest.mark.parametrize(
    ("change", "state", "evidence"),
    [
        ("DELETE FROM _prisma_migrations WHERE migration_name = '{last}'", "WARNING", "1 are applied with the next"),
        ("DROP TABLE _prisma_migrations", "WARNING", "are applied with the next start"),
        ("UPDATE _prisma_migrations SET checksum = 'x'", "FAILED", "was changed after it had been applied"),
        ("UPDATE _prisma_migrations SET migration_name = '9'", "FAILED", "which this version does not know"),
    ],
)
async def test_migrations(database_url: str, tmp_path: Path, change: str, state: str, evidence: str) -> None:
    from infinibay.db.migrate import pending, read

    await execute(database_url, change.format(last=read()[-1].name))
    found = (await report(tmp_path, DATABASE_URL=database_url))["migrations"]
    assert found.state == state
    assert evidence in found.evidence
    if state == "WARNING":
        assert await pending(database_url) != []  # The look has applied nothing.


async def test_libvirt_is_away(database_url: str, tmp_path: Path) -> None:
    uri = f"qemu+unix:///system?socket={tmp_path}/nobody"
    found = await report(tmp_path, DATABASE_URL=database_url, LIBVIRT_URI=uri)
    assert found["hypervisor"].state is CheckState.FAILED
    assert "libvirtd" in (found["hypervisor"].remedy or "")
    assert {found[name].evidence for name in ("kvm", "uefi", "pool", "network")} == {"not known, see hypervisor"}
    assert found["database"].state is CheckState.OK


async def test_neither_a_network_nor_a_bridge(database_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url}
    missing = (await report(tmp_path, LIBVIRT_NETWORK_NAME="nowhere", **settings))["network"]
    other = (await report(tmp_path, LIBVIRT_NETWORK_NAME="lo", **settings))["network"]
    assert (missing.state, missing.remedy) == (
        CheckState.FAILED,
        "ip link add name nowhere type bridge && ip link set nowhere up",
    )
    assert other.evidence == "lo is neither a network of libvirt nor a bridge, but another interface of the host"


async def test_a_pool_in_another_folder(database_url: str, tmp_path: Path) -> None:
    settings = {"INFINIBAY_STORAGE_POOL_NAME": "default-pool", "INFINIBAY_STORAGE_POOL_PATH": "/elsewhere"}
    found = (await report(tmp_path, DATABASE_URL=database_url, **settings))["pool"]
    assert found.evidence == "default-pool lies in /default-pool, but INFINIBAY_STORAGE_POOL_PATH is /elsewhere"


async def test_the_worker_of_a_server(database_url: str, tmp_path: Path) -> None:
    """A server without a worker can do little; one that is stopped has none."""
    settings = settings_below(tmp_path, DATABASE_URL=database_url)
    hypervisor = LibvirtHypervisor(settings.libvirt_uri, settings.run_dir)
    async with connected(settings, database_url) as database:
        doctor = serving_doctor(settings, hypervisor, database_url, database)

        async def worker() -> HostCheck:
            return next(check for check in await doctor.report() if check.name == "worker")

        host = await hosts.ensure(database, "one", settings.libvirt_uri)
        keep_id(settings.host_id_file, host.id)
        assert (await worker()).state is CheckState.FAILED
        assert (await report(tmp_path, DATABASE_URL=database_url))["worker"].state is CheckState.WARNING
        await execute(database_url, f"UPDATE hosts SET worker_seen_at = now() WHERE id = '{host.id}'")
        assert (await worker()).state is CheckState.OK
        assert (await worker()).remedy is None

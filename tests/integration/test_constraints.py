"""Each CHECK of the database: what it refuses, what it still takes; and that no check is without its case here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg
import pytest
from psycopg import Connection, sql

HOST = "00000000-0000-4000-8000-000000000001"
DEPARTMENT = "00000000-0000-4000-8000-000000000002"
MACHINE = "00000000-0000-4000-8000-000000000003"
RULE_SET = "00000000-0000-4000-8000-000000000004"
SCRIPT = "00000000-0000-4000-8000-000000000006"
OTHER_DEPARTMENT = "00000000-0000-4000-8000-000000000005"

# One good row of each table, in the order of their foreign keys.
GOOD: dict[str, dict[str, object]] = {
    "users": {"email": "a@b.c", "email_key": "a@b.c", "password_hash": "x", "first_name": "A", "last_name": "B"},
    "hosts": {"id": HOST, "name": "host", "libvirt_uri": "test:///default"},
    "departments": {"id": DEPARTMENT, "name": "Default", "name_key": "default"},
    "machine_template_categories": {"name": "Small", "name_key": "small"},
    "machine_templates": {"name": "S", "name_key": "s", "cores": 1, "ram_gb": 1, "storage_gb": 1},
    "machines": {
        "id": MACHINE,
        "name": "one",
        "name_key": "one",
        "internal_name": MACHINE,
        "os": "ubuntu",
        "cpu_cores": 1,
        "ram_gb": 1,
        "disk_size_gb": 1,
        "host_id": HOST,
        "department_id": DEPARTMENT,
    },
    "machine_configurations": {
        "machine_id": MACHINE,
        "firmware": "efi",
        "domain_type": "kvm",
        "graphic_protocol": "vnc",
        "network": "default",
        "mac_address": "52:54:00:aa:bb:cc",
    },
    "machine_disks": {"machine_id": MACHINE, "position": 0, "pool": "default", "volume_name": "v", "size_gb": 1},
    "secrets": {"machine_id": MACHINE, "purpose": "installation", "sealed": "x"},
    "applications": {"name": "Editor", "name_key": "editor", "os": ["ubuntu"]},
    "scripts": {
        "id": SCRIPT,
        "name": "Hello",
        "name_key": "hello",
        "format": "YAML",
        "content": "shell: sh",
        "shell": "sh",
        "tags": [],
    },
    "machine_scripts": {"machine_id": MACHINE, "script_id": SCRIPT, "position": 0},
    "operations": {"kind": "create", "host_id": HOST, "steps": 5, "step_number": 5, "percent": 100},
    "rule_sets": {"id": RULE_SET, "name": "r", "internal_name": "r", "entity_type": "VM", "machine_id": MACHINE},
    "firewall_rules": {
        "rule_set_id": RULE_SET,
        "name": "ssh",
        "dst_port_start": 22,
        "src_port_start": 0,
        "src_port_end": 65535,
    },
    "installations": {
        "machine_id": MACHINE,
        "mode": "seed",
        "locale": "en_US",
        "keyboard": "us",
        "timezone": "Etc/UTC",
        "hostname": "one",
    },
    "images": {
        "name": "Base",
        "name_key": "base",
        "os": "debian",
        "kind": "image",
        "state": "ready",
        "pool": "default",
        "volume_name": "base.qcow2",
        "format": "qcow2",
        "size_gb": 2,
    },
    "isos": {"os": "ubuntu", "filename": "ubuntu.iso", "size_bytes": 0, "sha256": "0" * 64},
    "idempotency_keys": {"user_id": MACHINE, "key": "k", "action": "a", "fingerprint": "f"},
}


@dataclass(frozen=True)
class Refused:
    """A change of a good row, and the check that refuses it."""

    check: str
    table: str
    values: dict[str, object]


def refused(table: str, check: str, **values: object) -> Refused:
    return Refused(f"{table}_{check}_check", table, values)


NAMED = (
    "departments",
    "machine_template_categories",
    "machine_templates",
    "machines",
    "applications",
    "scripts",
    "firewall_rules",
    "images",
)
POSITIVE = {
    "departments": ("internet_speed",),
    "machine_templates": ("cores", "ram_gb", "storage_gb"),
    "machines": ("cpu_cores", "ram_gb", "disk_size_gb"),
    "machine_disks": ("size_gb",),
}
CASES = [
    *(refused(table, "name", name=name) for table in NAMED for name in ("", "   ", "x" * 101)),
    *(
        refused(table, column, **{column: wrong})
        for table, columns in POSITIVE.items()
        for column in columns
        for wrong in (0, -1)
    ),
    *(refused("hosts", "name", name=name) for name in (" ", "x" * 256)),
    refused("users", "email", email=""),
    refused("users", "email", email_key=""),
    refused("secrets", "purpose", purpose="other"),
    refused("machines", "internal_name", internal_name=""),
    refused("machine_configurations", "firmware", firmware="uefi"),
    refused("machine_configurations", "domain_type", domain_type="xen"),
    refused("machine_configurations", "graphic_protocol", graphic_protocol="rdp"),
    *(
        refused("machine_configurations", "mac_address", mac_address=mac)
        for mac in ("", "52:54:00:aa:bb", "52:54:00:AA:BB:CC")
    ),
    *(refused("machine_configurations", "graphic_port", graphic_port=port) for port in (-1, 0, 65536)),
    refused("machine_disks", "position", position=-1),
    refused("machine_disks", "volume_name", volume_name=""),
    refused("scripts", "format", format="TOML"),
    refused("scripts", "shell", shell="fish"),
    refused("machine_scripts", "position", position=-1),
    refused("operations", "steps", steps=-1, step_number=None),
    *(refused("operations", "step_number", step_number=number) for number in (-1, 6)),
    *(refused("operations", "percent", percent=percent) for percent in (-1, 101)),
    refused("rule_sets", "internal_name", internal_name=""),
    refused("rule_sets", "entity", machine_id=None),
    refused("rule_sets", "entity", department_id=OTHER_DEPARTMENT),
    refused("rule_sets", "entity", entity_type="DEPARTMENT"),
    refused("rule_sets", "entity", machine_id=None, department_id=OTHER_DEPARTMENT),
    *(
        refused(table, "priority", priority=priority)
        for table in ("rule_sets", "firewall_rules")
        for priority in (-1001, 1001)
    ),
    *(
        refused("firewall_rules", f"{side}_port", **{f"{side}_port_start": start, f"{side}_port_end": end})
        for side in ("src", "dst")
        for start, end in ((-1, None), (65536, None), (None, 5), (5, 4), (5, 65536))
    ),
    refused("installations", "mode", mode="by magic"),
    refused("images", "kind", kind="snapshot"),
    refused("images", "state", state="lost"),
    refused("images", "format", format="raw"),
    refused("images", "size", size_gb=0),
    refused("isos", "filename", filename=""),
    refused("isos", "filename", filename="../etc/passwd"),
    refused("isos", "size_bytes", size_bytes=-1),
    refused("isos", "sha256", sha256="ABC"),
    *(refused("idempotency_keys", "key", key=key) for key in ("", "x" * 256)),
]


def insert(connection: Connection, table: str, values: dict[str, object]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, values))
    places = sql.SQL(", ").join(sql.Placeholder() * len(values))
    statement: LiteralString = "INSERT INTO {} ({}) VALUES ({})"
    connection.execute(sql.SQL(statement).format(sql.Identifier(table), columns, places), list(values.values()))


def insert_up_to(connection: Connection, table: str) -> None:
    """The good rows of all tables before this one."""
    for name, values in GOOD.items():
        if name == table:
            return
        insert(connection, name, values)


async def test_good_rows_and_limits_are_taken(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for table, values in GOOD.items():
            insert(connection, table, values)
        insert(connection, "departments", {"id": OTHER_DEPARTMENT, "name": "ä" * 100, "name_key": "long"})
        insert(
            connection,
            "rule_sets",
            {
                "name": "d",
                "internal_name": "d",
                "entity_type": "DEPARTMENT",
                "department_id": DEPARTMENT,
                "priority": -1000,
            },
        )
        insert(connection, "firewall_rules", {"rule_set_id": RULE_SET, "name": "x" * 100, "priority": 1000})


async def test_each_check_refuses(database_url: str) -> None:
    found = {}
    with psycopg.connect(database_url) as connection:
        for case in CASES:
            insert_up_to(connection, case.table)
            with pytest.raises(psycopg.errors.CheckViolation) as violation:
                insert(connection, case.table, GOOD[case.table] | case.values)
            found[case.check, str(case.values)] = violation.value.diag.constraint_name
            connection.rollback()
    assert found == {(check, values): check for check, values in found}


async def test_every_check_has_a_case(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT conname::text FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        ).fetchall()
    assert {case.check for case in CASES} == {name for (name,) in rows}

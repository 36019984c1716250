"""Machines by the thousand, written straight into the database: rows alone, without domains."""

from __future__ import annotations

from typing import Any

import psycopg

_PREFIX = "listed-"
_PARENTS = """
INSERT INTO users (email, email_key, password_hash, first_name, last_name)
  SELECT name, name, 'none', 'Listed', 'Person' FROM unnest(%(names)s::text[]) name;
INSERT INTO departments (name, name_key) SELECT name, name FROM unnest(%(names)s::text[]) name;
INSERT INTO machine_templates (name, name_key, cores, ram_gb, storage_gb)
  SELECT name, name, 2, 4, 20 FROM unnest(%(names)s::text[]) name;
"""
_MACHINES = """
INSERT INTO machines (name, name_key, internal_name, status, os, cpu_cores, ram_gb, disk_size_gb, local_ip,
                      host_id, user_id, department_id, template_id)
  SELECT name, name, name, 'stopped', 'ubuntu', 2, 4, 20, '192.168.122.7', (SELECT id FROM hosts LIMIT 1),
         (SELECT id FROM users WHERE email_key = parent), (SELECT id FROM departments WHERE name_key = parent),
         (SELECT id FROM machine_templates WHERE name_key = parent)
  FROM (SELECT %(prefix)s || i AS name, %(prefix)s || 'parent-' || i %% %(parents)s AS parent
        FROM generate_series(%(first)s, %(last)s) i) wanted;
INSERT INTO machine_configurations (machine_id, firmware, tpm, domain_type, graphic_protocol, graphic_port, network,
                                    mac_address, iso_path)
  SELECT id, 'efi', false, 'kvm', 'vnc', 5900, 'default',
         regexp_replace('525400' || left(md5(id::text), 6), '(..)(?=.)', '\\1:', 'g'), '/iso'
  FROM machines WHERE name_key LIKE %(prefix)s || '%%' AND id NOT IN (SELECT machine_id FROM machine_configurations);
INSERT INTO operations (kind, host_id, machine_id, state, step, step_number, steps, input, ended_at)
  SELECT 'power_off', host_id, id, 'SUCCEEDED', 'off', 1, 1, '{}', now()
  FROM machines WHERE name_key LIKE %(prefix)s || '%%'
    AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.machine_id = machines.id);
"""
_REMOVAL = """
DELETE FROM operations WHERE machine_id IN (SELECT id FROM machines WHERE name_key LIKE %(prefix)s || '%%');
DELETE FROM machines WHERE name_key LIKE %(prefix)s || '%%';
DELETE FROM machine_templates WHERE name_key LIKE %(prefix)s || '%%';
DELETE FROM departments WHERE name_key LIKE %(prefix)s || '%%';
DELETE FROM users WHERE email_key LIKE %(prefix)s || '%%';
"""


class ManyMachines:
    """Grows and removes the rows; each machine has a user, department and template of `parents` (at most), a
    configuration and an ended operation."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], parents: int = 10) -> None:
        self._connection = connection
        self._parents = parents
        self._count = 0

    async def grow(self, count: int) -> None:
        """Adds machines until there are `count`."""
        names = [f"{_PREFIX}parent-{number}" for number in range(self._parents)]
        if self._count == 0:
            await self._run(_PARENTS, names=names)
        await self._run(_MACHINES, parents=self._parents, first=self._count + 1, last=count)
        self._count = count

    async def remove(self) -> None:
        await self._run(_REMOVAL)
        self._count = 0

    async def _run(self, script: str, **values: Any) -> None:
        cursor = psycopg.AsyncClientCursor(self._connection)
        await cursor.execute(script.encode(), {"prefix": _PREFIX, **values})

"""Compares a database with schema.prisma by Prisma's own schema engine; `scripts/migration-diff` is its command."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from infinibay.db.engine.paths import PROJECT_ROOT, SCHEMA, node_binary
from infinibay.db.migrate import migrate
from infinibay.log import configure
from tests.support.databases import empty_cluster

_PROGRAM = Path(__file__).with_name("schema_diff.mjs")
_AGREE, _DIFFER = 0, 2


async def missing_sql(database_url: str) -> str:
    """The SQL that a database lacks to agree with schema.prisma; empty when it agrees."""
    process = await asyncio.create_subprocess_exec(
        node_binary(),
        _PROGRAM,
        SCHEMA,
        cwd=PROJECT_ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode not in {_AGREE, _DIFFER}:
        raise RuntimeError(f"The comparison failed:\n{errors.decode()}")
    return output.decode() if process.returncode == _DIFFER else ""


async def _main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/migration-diff")
    parser.add_argument("--initial", action="store_true", help="compare with an empty database")
    configure(level="WARNING")
    initial = parser.parse_args().initial
    async with empty_cluster() as url:
        if not initial:
            await migrate(url)
        script = await missing_sql(url)
    sys.stdout.write(script)
    return _DIFFER if script and not initial else _AGREE


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))

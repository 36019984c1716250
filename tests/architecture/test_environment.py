"""Settings are read once, in one place."""

from __future__ import annotations

import ast

from tests.architecture.sources import PACKAGE, parsed, python_files, relative

READERS = {
    "infinibay/settings.py",
    # Runs before the product, when the client that it writes is not there yet.
    "infinibay/db/generate.py",
}


def test_nothing_else_reads_the_environment() -> None:
    assert {
        relative(path): reads
        for path in python_files(PACKAGE)
        if relative(path) not in READERS and (reads := _reads(parsed(path)))
    } == {}


def _reads(tree: ast.Module) -> list[int]:
    """The lines that name the environment, except those that hand it to a child as a whole (`**os.environ`)."""
    handed = {
        id(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if key is None
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} and id(node) not in handed
    ]

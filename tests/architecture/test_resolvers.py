"""Resolvers parse, call one service and wrap; each lies in a file whose name tells what it holds."""

from __future__ import annotations

import ast

from tests.architecture.sources import PACKAGE, functions, lines, parsed, relative

AREAS = [path for path in sorted((PACKAGE / "graphql").iterdir()) if path.is_dir() and path.name != "__pycache__"]
FILES = {"__init__.py", "types.py", "inputs.py", "queries.py", "mutations.py", "subscriptions.py"}
BODY_LINES = 12


def test_an_area_has_only_the_fixed_files() -> None:
    assert len(AREAS) >= 4
    assert [relative(path) for area in AREAS for path in area.glob("*.py") if path.name not in FILES] == []


def test_resolvers_are_short() -> None:
    assert {
        f"{area.name}/{path.name}:{node.name}": size
        for area in AREAS
        for path in area.glob("*.py")
        if path.name in {"queries.py", "mutations.py", "subscriptions.py"}
        for node in functions(parsed(path))
        if (size := _body(node)) > BODY_LINES
    } == {}


def test_inputs_and_types_hold_no_service_call() -> None:
    """Only resolvers talk to services, so that an input or a type can be read without knowing one."""
    assert [
        f"{area.name}/{path.name}"
        for area in AREAS
        for path in area.glob("*.py")
        if path.name in {"types.py", "inputs.py"} and ".services." in path.read_text().split("class ", 1)[-1]
    ] == []


def _body(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function's body without its docstring."""
    statements = node.body[1:] if ast.get_docstring(node) else node.body
    return sum(lines(statement) for statement in statements)

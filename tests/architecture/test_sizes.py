"""Budgets on the tail: what outgrows them is split, not excused."""

from __future__ import annotations

import ast

from tests.architecture.sources import PACKAGE, ROOT, functions, lines, parsed, python_files, relative

FILE_LINES = 400
FUNCTION_LINES = 60
PUBLIC_METHODS = 15
IMPORTS = 20
# The composition root knows every part; that is its task.
MANY_IMPORTS = "infinibay/bootstrap"


def test_files_are_short() -> None:
    files = python_files(PACKAGE, ROOT / "tests", ROOT / "scripts")
    assert {relative(path): n for path in files if (n := len(path.read_text().splitlines())) > FILE_LINES} == {}


def test_functions_are_short() -> None:
    assert {
        f"{relative(path)}:{node.name}": lines(node)
        for path in python_files(PACKAGE)
        for node in functions(parsed(path))
        if lines(node) > FUNCTION_LINES
    } == {}


def test_classes_have_few_public_methods() -> None:
    assert {
        f"{relative(path)}:{node.name}": count
        for path in python_files(PACKAGE)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        and (
            count := sum(
                isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)) and not member.name.startswith("_")
                for member in node.body
            )
        )
        > PUBLIC_METHODS
    } == {}


def test_modules_have_few_imports() -> None:
    assert {
        relative(path): count
        for path in python_files(PACKAGE)
        if not relative(path).startswith(MANY_IMPORTS) and (count := _imports(parsed(path))) > IMPORTS
    } == {}


def _imports(tree: ast.Module) -> int:
    """The import statements, apart from the one that every module has."""
    return sum(
        isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__")
        for node in tree.body
    )

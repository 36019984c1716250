"""Scripts for PowerShell by their grammar, without a PowerShell."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Language, Node, Parser
from tree_sitter_powershell import language


def grammar(script: bytes) -> Node:
    """The root of the script's tree. AssertionError where it is no PowerShell."""
    root = Parser(Language(language())).parse(script).root_node
    assert not root.has_error
    return root


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in node.children:
        yield from walk(child)

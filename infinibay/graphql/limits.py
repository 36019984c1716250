"""How large a query may be: its text, its depth, its aliases, and what it grows to once fragments are put in."""

from __future__ import annotations

from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationRule,
)
from graphql.validation import ValidationContext
from strawberry.extensions import (
    AddValidationRules,
    MaxAliasesLimiter,
    MaxTokensLimiter,
    ParserCache,
    QueryDepthLimiter,
    SchemaExtension,
    ValidationCache,
)

MOST_TOKENS = 2000
DEEPEST = 12
MOST_ALIASES = 30
MOST_SELECTIONS = 2000
_CACHED_DOCUMENTS = 1000


class SelectionLimit(ValidationRule):
    """Counts selections with fragments put in where they are spread: doubling fragments grow without long texts."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._fragments: dict[str, int] = {}

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        if self._size(node.selection_set) > MOST_SELECTIONS:
            self.context.report_error(
                GraphQLError(f"The operation selects more than {MOST_SELECTIONS} fields.", nodes=[node])
            )

    def _size(self, selections: SelectionSetNode | None) -> int:
        return sum(self._selected(node) for node in selections.selections) if selections else 0

    def _selected(self, node: object) -> int:
        match node:
            case FieldNode():
                return 1 + self._size(node.selection_set)
            case InlineFragmentNode():
                return self._size(node.selection_set)
            case FragmentSpreadNode():
                return self._fragment(node.name.value)
            case _:
                return 0

    def _fragment(self, name: str) -> int:
        if name not in self._fragments:
            self._fragments[name] = 0  # A fragment inside itself is another rule's error.
            fragment: FragmentDefinitionNode | None = self.context.get_fragment(name)
            self._fragments[name] = self._size(fragment.selection_set) if fragment else 0
        return self._fragments[name]


def extensions() -> list[Any]:
    """The schema's extensions for limits and document caches; each makes a fresh one per request."""
    # The cache knows a validated document by its rules too, so these must be the same objects in every request.
    rules: list[Any] = [
        SelectionLimit,
        *QueryDepthLimiter(max_depth=DEEPEST).validation_rules,
        *MaxAliasesLimiter(max_alias_count=MOST_ALIASES).validation_rules,
    ]
    makers: list[type[SchemaExtension] | Any] = [
        lambda: MaxTokensLimiter(max_token_count=MOST_TOKENS),
        lambda: AddValidationRules(rules),
        lambda: ParserCache(maxsize=_CACHED_DOCUMENTS),
        lambda: ValidationCache(maxsize=_CACHED_DOCUMENTS),
    ]
    return makers

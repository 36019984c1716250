"""How large a query may be: its text, its depth, its aliases, and what it grows to once fragments are put in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Source,
    ValidationRule,
)
from graphql.validation import ValidationContext
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.extensions import (
    AddValidationRules,
    MaxTokensLimiter,
    ParserCache,
    SchemaExtension,
    ValidationCache,
)

LONGEST_TEXT = 32 * 1024
MOST_TOKENS = 2000
DEEPEST = 12
MOST_ALIASES = 30
MOST_SELECTIONS = 2000
# Each may hold more than 1 MB.
_CACHED_DOCUMENTS = 100
# Repeated fields are compared pair by pair, and at graphql-core's own budget 6 kB of them stop the loop for a second.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 20_000
# The depth of all that is inside an introspection, whose depth a rule of GraphQL's own limits.
_INTROSPECTION = -math.inf


@dataclass(frozen=True)
class _Extent:
    """What a selection comes to with its fragments put in; `depth` is how many fields lie above the deepest. An alias
    inside an introspection counts as another one, since it too asks for a part of it once more."""

    fields: int = 0
    aliases: int = 0
    depth: float = -math.inf
    introspections: int = 0


class ExtentLimit(ValidationRule):
    """Counts with fragments put in where they are spread: doubling fragments grow without long texts.

    Each fragment is measured once and none by recursion, so that measuring can't be what costs too much; strawberry's
    own limiters follow each spread anew, and a text of 2 kB keeps them busy for years.
    """

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._fragments: dict[str, _Extent] = {}

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        self._measure_fragments(node.selection_set)
        extent = self._extent(node.selection_set)
        if extent.fields > MOST_SELECTIONS:
            self._refuse(f"The operation selects more than {MOST_SELECTIONS} fields.", node)
        if extent.aliases > MOST_ALIASES:
            self._refuse(f"The operation has more than {MOST_ALIASES} aliases.", node)
        if extent.depth > DEEPEST:
            self._refuse(f"The operation is nested deeper than {DEEPEST} levels.", node)
        if extent.introspections > 1:
            self._refuse("The operation has more than one `__schema` or `__type`, or aliases inside of it.", node)

    def _refuse(self, message: str, node: OperationDefinitionNode) -> None:
        self.context.report_error(GraphQLError(message, nodes=[node]))

    def _measure_fragments(self, selections: SelectionSetNode) -> None:
        """Those that the selections spread, the inner ones first."""
        waiting, entered = self._spread(selections), set[str]()
        while waiting:
            name = waiting[-1]
            fragment = self.context.get_fragment(name)
            # An unknown fragment, and one inside itself, are other rules' errors.
            if fragment is None or name in self._fragments:
                waiting.pop()
            elif name in entered:
                self._fragments[name] = self._extent(fragment.selection_set)
                waiting.pop()
            else:
                entered.add(name)
                inner = self._spread(fragment.selection_set)
                waiting += [one for one in inner if one not in entered]

    def _spread(self, selections: SelectionSetNode) -> list[str]:
        return [spread.name.value for spread in self.context.get_fragment_spreads(selections)]

    def _extent(self, selections: SelectionSetNode) -> _Extent:
        fields, aliases, deepest, introspections = 0, 0, -math.inf, 0
        waiting: list[tuple[SelectionSetNode, float]] = [(selections, 0)]
        while waiting:
            found, depth = waiting.pop()
            for node in found.selections:
                match node:
                    case FieldNode():
                        fields, deepest = fields + 1, max(deepest, depth)
                        aliases += node.alias is not None
                        introspections += node.alias is not None and depth == _INTROSPECTION
                        if node.selection_set:
                            is_own = node.name.value.startswith("__")
                            introspections += is_own
                            waiting.append((node.selection_set, _INTROSPECTION if is_own else depth + 1))
                    case InlineFragmentNode():
                        waiting.append((node.selection_set, depth))
                    case FragmentSpreadNode():
                        inner = self._fragments.get(node.name.value, _Extent())
                        fields, deepest = fields + inner.fields, max(deepest, depth + inner.depth)
                        aliases += inner.aliases
                        introspections += inner.aliases if depth == _INTROSPECTION else inner.introspections
        return _Extent(fields, aliases, deepest, introspections)


class TextLimit(SchemaExtension):
    """Refuses a text that is too long before it is parsed and kept: for the limit of tokens a comment is one, however
    long."""

    def on_parse(self) -> Iterator[None]:
        text = self.execution_context.query or ""
        if len(text) > LONGEST_TEXT:
            raise GraphQLSyntaxError(
                Source(""), 0, f"Document contains more than {LONGEST_TEXT} characters. Parsing aborted."
            )
        yield


def extensions() -> list[Any]:
    """The schema's extensions for limits and document caches; each makes a fresh one per request."""
    # The cache knows a validated document by its rules too, so these must be the same objects in every request.
    rules: list[Any] = [ExtentLimit]
    makers: list[type[SchemaExtension] | Any] = [
        TextLimit,
        lambda: MaxTokensLimiter(max_token_count=MOST_TOKENS),
        lambda: AddValidationRules(rules),
        lambda: ParserCache(maxsize=_CACHED_DOCUMENTS),
        lambda: ValidationCache(maxsize=_CACHED_DOCUMENTS),
    ]
    return makers

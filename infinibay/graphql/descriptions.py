"""The schema's descriptions are the docstrings of its types and resolvers."""

from __future__ import annotations

import inspect
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema


def describe(schema: GraphQLSchema) -> None:
    """Copies docstrings to where introspection shows them."""
    for kind in schema.type_map.values():
        if not isinstance(kind, (GraphQLObjectType, GraphQLInputObjectType)):
            continue
        definition = kind.extensions.get("strawberry-definition")
        if definition is None:
            continue
        kind.description = _written(definition.origin)
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                resolver = field.extensions["strawberry-definition"].base_resolver
                if resolver is not None:
                    field.description = _written(resolver.wrapped_func)


def _written(thing: Any) -> str | None:
    """The docstring that somebody wrote; a dataclass without one gets its signature instead, which says nothing."""
    text = thing.__dict__.get("__doc__") if inspect.isclass(thing) else thing.__doc__
    return None if text is None or text.startswith(f"{thing.__name__}(") else inspect.cleandoc(text)

"""The interface walked without knowing it: its root fields, every place that takes a value, and documents for them.

A place is written as its path from the root field: `id`, `input.name`, `input.applications[].parameters{}`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from uuid import uuid4

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    ast_from_value,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
    print_ast,
)
from graphql.type import get_nullable_type

from infinibay.graphql.schema import build

SCHEMA: GraphQLSchema = build_schema(build().as_str())
# What a test knows for a place of a root field; None leaves it to the type.
Known = Callable[[str, str], Any]


def root_fields(*kinds: str) -> list[str]:
    """`Query.machine`, `Mutation.login` …: of the named roots, or of all."""
    return [f"{root.name}.{name}" for root in _roots() if not kinds or root.name in kinds for name in root.fields]


def field_of(full_name: str) -> GraphQLField:
    kind, name = full_name.split(".")
    root = SCHEMA.type_map[kind]
    assert isinstance(root, GraphQLObjectType)
    field: GraphQLField = root.fields[name]
    return field


def leaves(full_name: str) -> list[str]:
    """The fields of the answer that hold no others; none when the answer is such a value itself."""
    named = get_named_type(field_of(full_name).type)
    if not isinstance(named, GraphQLObjectType):
        return []
    return [name for name, field in named.fields.items() if is_leaf_type(get_named_type(field.type))]


def literal_document(full_name: str, variables: Mapping[str, Any], selection: str = "__typename") -> str:
    """The same request as `document` makes, its values written into the text."""
    field = field_of(full_name)
    parts = []
    for argument, value in variables.items():
        written = ast_from_value(value, field.args[argument].type)
        assert written is not None
        parts.append(f"{argument}: {print_ast(written)}")
    kind, name = full_name.split(".")
    selected = "" if is_leaf_type(get_named_type(field.type)) else f"{{ {selection} }}"
    return f"{kind.lower()} {{ {name}({', '.join(parts)}) {selected} }}"


def places(kinds: Collection[str]) -> list[tuple[str, str]]:
    """The root field and path of every place of a query or mutation that takes one of these scalars."""
    return [
        (full_name, path)
        for full_name in root_fields("Query", "Mutation")
        for argument, holder in field_of(full_name).args.items()
        for path in _paths(argument, holder, kinds)
    ]


def any_value(kind: Any) -> Any:
    """A value that the type accepts, with nothing that may be left out."""
    named = get_named_type(kind)
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    if isinstance(named, GraphQLInputObjectType):
        return {name: any_value(f.type) for name, f in named.fields.items() if is_required_input_field(f)}
    return {"Boolean": True, "Int": 1, "Float": 1.0, "JSONObject": {}, "ID": str(uuid4())}.get(
        named.name, f"text {uuid4()}"
    )


def document(
    full_name: str, path: str = "", value: Any = None, *, known: Known = lambda *_: None, selection: str = "__typename"
) -> tuple[str, dict[str, Any]]:
    """A query or mutation with the value at the path and every required value, and its variables."""
    kind, name = full_name.split(".")
    field = field_of(full_name)
    head = _split(path)[0]
    used = {arg: a for arg, a in field.args.items() if is_required_argument(a) or arg == head}
    variables = {}
    for argument, holder in used.items():
        filled = _filled(full_name, argument, holder, known)
        rest = path.removeprefix(argument)
        variables[argument] = (
            _placed(full_name, argument, holder.type, rest, value, filled, known) if argument == head else filled
        )
    selected = "" if is_leaf_type(get_named_type(field.type)) else f"{{ {selection} }}"
    declared = ", ".join(f"${arg}: {a.type}" for arg, a in used.items())
    passed = ", ".join(f"{arg}: ${arg}" for arg in used)
    before, call = (f"({declared})", f"({passed})") if used else ("", "")
    return f"{kind.lower()} {before} {{ {name}{call} {selected} }}", variables


def _roots() -> Iterator[GraphQLObjectType]:
    return (root for root in (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type) if root)


def _paths(path: str, holder: GraphQLArgument | GraphQLInputField, kinds: Collection[str]) -> Iterator[str]:
    kind = get_nullable_type(holder.type)
    named = get_named_type(kind)
    item = f"{path}[]" if is_list_type(kind) else path
    if isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            yield from _paths(f"{item}.{name}", field, kinds)
    elif named.name in kinds:
        yield f"{item}{{}}" if named.name == "JSONObject" else item


def _filled(full_name: str, path: str, holder: GraphQLArgument | GraphQLInputField, known: Known) -> Any:
    """A value of what the test knows, and of the type where it knows nothing."""
    if (value := known(full_name, path)) is not None:
        return value
    named = get_named_type(holder.type)
    if is_list_type(get_nullable_type(holder.type)):
        return []
    if not isinstance(named, GraphQLInputObjectType):
        return any_value(named)
    return _members(full_name, path, named, known)


def _members(full_name: str, path: str, kind: GraphQLInputObjectType, known: Known) -> dict[str, Any]:
    """What an input object needs, and what the test knows of the rest."""
    return {
        name: _filled(full_name, f"{path}.{name}", field, known)
        for name, field in kind.fields.items()
        if is_required_input_field(field) or known(full_name, f"{path}.{name}") is not None
    }


def _placed(full_name: str, path: str, kind: Any, rest: str, value: Any, filled: Any, known: Known) -> Any:
    """The filled value with another one at the rest of the path."""
    named = get_named_type(kind)
    if rest.startswith("[]"):
        item = _members(full_name, f"{path}[]", named, known) if isinstance(named, GraphQLInputObjectType) else None
        return [_placed(full_name, f"{path}[]", named, rest[2:], value, item, known)]
    if rest == "{}":
        return {"key": [{"inner": value}]}
    if not rest:
        return value
    assert isinstance(named, GraphQLInputObjectType)
    name, tail = _split(rest[1:])
    inner = f"{path}.{name}"
    field = named.fields[name]
    inside = _filled(full_name, inner, field, known)
    return {**filled, name: _placed(full_name, inner, field.type, tail, value, inside, known)}


def _split(rest: str) -> tuple[str, str]:
    end = min((rest.find(mark) for mark in ".[{" if mark in rest), default=len(rest))
    return rest[:end], rest[end:]

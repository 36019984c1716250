"""Which fields a query selects, so that nothing is read that it does not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from strawberry.types.nodes import SelectedField, Selection

from infinibay.graphql.context import Info


def selected(info: Info, *path: str) -> set[str]:
    """The names of the fields that are selected at a path below the root field, fragments put in."""
    selections = _below(info.selected_fields)
    for name in path:
        selections = _below(field for field in _fields(selections) if field.name == name)
    return {field.name for field in _fields(selections)}


def _below(fields: Iterable[Selection]) -> list[Selection]:
    return [inner for field in fields for inner in field.selections]


def _fields(selections: Iterable[Selection]) -> Iterator[SelectedField]:
    for one in selections:
        if isinstance(one, SelectedField):
            yield one
        else:
            yield from _fields(one.selections)

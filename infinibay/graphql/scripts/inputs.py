"""What clients send about scripts; only its shape is checked here."""

from __future__ import annotations

from enum import Enum

import strawberry

from infinibay.graphql.common import given
from infinibay.services.scripts.service import ScriptChanges, ScriptFilter, ScriptRequest


@strawberry.enum
class ScriptFormat(Enum):
    YAML = "YAML"
    JSON = "JSON"


@strawberry.enum
class OS(Enum):
    LINUX = "linux"
    WINDOWS = "windows"


@strawberry.input
class CreateScriptInput:
    """`content` is a document with `shell`, `inputs` and `script`."""

    name: str
    description: str | None = strawberry.UNSET
    category: str | None = strawberry.UNSET
    tags: list[str] | None = strawberry.UNSET
    format: ScriptFormat
    content: str

    def to_request(self) -> ScriptRequest:
        return ScriptRequest(
            name=self.name,
            format="JSON" if self.format is ScriptFormat.JSON else "YAML",
            content=self.content,
            description=given(self.description),
            category=given(self.category),
            tags=tuple(self.tags or ()),
        )


@strawberry.input
class UpdateScriptInput:
    """What is left out or null stays as it is; an empty description or category is taken away. The format stays."""

    id: strawberry.ID
    name: str | None = strawberry.UNSET
    description: str | None = strawberry.UNSET
    category: str | None = strawberry.UNSET
    tags: list[str] | None = strawberry.UNSET
    content: str | None = strawberry.UNSET

    def to_changes(self) -> ScriptChanges:
        tags = given(self.tags)
        return ScriptChanges(
            name=given(self.name),
            content=given(self.content),
            description=given(self.description),
            category=given(self.category),
            tags=None if tags is None else tuple(tags),
        )


@strawberry.input
class ScriptFiltersInput:
    """A script must fit all that is given; of several tags it must have one."""

    category: str | None = strawberry.UNSET
    tags: list[str] | None = strawberry.UNSET
    os: OS | None = strawberry.UNSET
    search: str | None = strawberry.UNSET

    def to_request(self) -> ScriptFilter:
        os = given(self.os)
        return ScriptFilter(
            category=given(self.category) or None,
            tags=tuple(self.tags or ()),
            is_windows=None if os is None else os is OS.WINDOWS,
            search=given(self.search) or None,
        )

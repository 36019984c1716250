"""What clients send about applications; only its shape is checked here."""

from __future__ import annotations

import strawberry

from infinibay.graphql.common import given
from infinibay.graphql.scalars import JSONObject
from infinibay.services.applications import ApplicationRequest


@strawberry.input
class CreateApplicationInputType:
    """`os` and the keys of `installCommand` name systems (windows10, windows11, ubuntu, debian, fedora, rhel, rocky,
    alma) or families (windows, redhat)."""

    name: str
    description: str | None = strawberry.UNSET
    os: list[str]
    install_command: JSONObject
    parameters: JSONObject | None = strawberry.UNSET

    def to_request(self) -> ApplicationRequest:
        return ApplicationRequest(
            name=self.name,
            os=tuple(word.lower() for word in self.os),
            install_command={word.lower(): commands for word, commands in self.install_command.items()},
            description=given(self.description),
            parameters=self.parameters or {},
        )

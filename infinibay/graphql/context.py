"""What a resolver knows about its request."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import strawberry

from infinibay.core.access import Principal
from infinibay.errors import InfinibayError, Unauthenticated
from infinibay.graphql.loaders import Loaders
from infinibay.services.container import Services


@dataclass
class Context:
    """One request: who asks, or why nobody does (`refusal`), from which network address, the root fields that it came
    to, and the batches of its nested fields."""

    services: Services
    principal: Principal | None
    graphic_host: str
    refusal: InfinibayError | None = None
    address: str = ""
    root_fields: set[str] = field(default_factory=set)

    @cached_property
    def loaders(self) -> Loaders:
        """Made when a nested field asks, which most streams never do."""
        return Loaders(self.services.operations, self.services.installations, self.services.images)

    @property
    def caller(self) -> Principal:
        """The user behind the request. Raises what kept the request anonymous."""
        if self.principal is None:
            raise self.refusal or Unauthenticated
        return self.principal


Info: TypeAlias = strawberry.Info[Context, None]

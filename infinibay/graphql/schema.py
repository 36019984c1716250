"""The whole schema, guarded; `python -m infinibay.graphql.schema` writes the committed text of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import strawberry
from graphql import Executor, GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext
from typing_extensions import override

from infinibay.graphql.descriptions import describe
from infinibay.graphql.errors import ErrorCodes
from infinibay.graphql.guard import protect
from infinibay.graphql.limits import extensions
from infinibay.graphql.permissions import RULES
from infinibay.graphql.query_root import Query
from infinibay.graphql.roots import Mutation, Subscription
from infinibay.graphql.scalars import SCALARS

COMMITTED = Path(__file__).with_name("schema.graphql")


class _Execution(StrawberryGraphQLCoreExecutionContext):
    """Each event of a stream is executed with a memory of its own. By itself graphql-core lets all of them add to one,
    by keys that never come again, and a stream would grow until it ends."""

    @override
    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001 - there is no public door to it.
        return executor


class _Schema(strawberry.Schema):
    """Errors are logged where they are masked, not twice."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        pass


def build() -> strawberry.Schema:
    """Raises InfinibayError when a root field has no rule, or a rule no field."""
    schema = _Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        extensions=[*extensions(), ErrorCodes],
        execution_context_class=_Execution,
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    core = schema._schema  # noqa: SLF001 - strawberry has no public door to it.
    describe(core)
    protect(core, RULES)
    return schema


def main() -> None:
    """Writes the schema's text beside this file."""
    COMMITTED.write_text(build().as_str() + "\n")


if __name__ == "__main__":
    main()

"""Errors as clients see them: a message, `extensions.code`, and where there are any `fields`, `remedy`, `reference`.

Only InfinibayErrors show what they say; anything else is masked and logged under its reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from graphql import ExecutionResult as CoreResult
from graphql import GraphQLError, GraphQLSyntaxError, OperationDefinitionNode
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import ExecutionResult, StreamExecutionResult

from infinibay import metrics
from infinibay.errors import BadUserInput, Conflict, HypervisorError, InfinibayError, UniqueViolation
from infinibay.graphql.echoes import without_texts, without_values
from infinibay.log import get_logger
from infinibay.operations.api import OperationFailed

log = get_logger(__name__)

INTERNAL = "INTERNAL_SERVER_ERROR"
# What is wrong with a request as a whole; over HTTP the endpoint tells it.
_REQUESTS: dict[type, str] = {
    CannotGetOperationTypeError: "OPERATION_RESOLUTION_FAILURE",
    MissingQueryError: "BAD_REQUEST",
}
# What these say is written for people, whatever their code.
_OUTSPOKEN = (HypervisorError, OperationFailed)
_MASKED = "Something went wrong inside the server"


class ErrorCodes(SchemaExtension):
    """Gives every error of a result its code, over HTTP and WebSocket alike."""

    def on_validate(self) -> Iterator[None]:
        """Runs after the cache of validations, whose list of errors it replaces."""
        if self._is_ambiguous():
            self.execution_context.pre_execution_errors = [
                GraphQLError(
                    "Must provide operation name if query contains multiple operations.",
                    extensions={"code": "OPERATION_RESOLUTION_FAILURE"},
                )
            ]
        yield

    def on_operation(self) -> Iterator[None]:
        yield
        result = self.execution_context.result
        if isinstance(result, (CoreResult, ExecutionResult)) and result.errors:
            result.errors = _counted(result.errors)

    def on_stream_result(self, result: StreamExecutionResult) -> Iterator[None]:
        if isinstance(result, ExecutionResult) and result.errors:
            result.errors = _counted(result.errors)
        yield

    def _is_ambiguous(self) -> bool:
        """Without a name the first of several operations would run; strawberry keeps the sent name to itself."""
        document = self.execution_context.graphql_document
        if document is None or self.execution_context._provided_operation_name is not None:  # noqa: SLF001
            return False
        return sum(isinstance(node, OperationDefinitionNode) for node in document.definitions) > 1


def _counted(errors: list[GraphQLError]) -> list[GraphQLError]:
    result = [coded(error) for error in errors]
    for error in result:
        metrics.GRAPHQL_ERRORS.labels((error.extensions or {})["code"]).inc()
    return result


def coded(error: GraphQLError) -> GraphQLError:
    """The error with its code; one that has a code already stays as it is."""
    if error.extensions and "code" in error.extensions:
        return error
    message, extensions = _told(error)
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )


def _told(error: GraphQLError) -> tuple[str, dict[str, Any]]:
    cause = _cause(error)
    if isinstance(cause, InfinibayError):
        return explained(cause)
    if (code := _REQUESTS.get(type(cause))) is not None:
        return error.message, {"code": code}
    if isinstance(error, GraphQLSyntaxError):
        return without_texts(error.message), {"code": "GRAPHQL_PARSE_FAILED"}
    if error.path is None and error.nodes:
        # A scalar's refusal of a value comes with its exception, but is no failure of ours.
        is_variable = error.message.startswith("Variable '")
        code = "BAD_USER_INPUT" if is_variable else "GRAPHQL_VALIDATION_FAILED"
        return without_values(error.message), {"code": code}
    if cause is not None:
        return masked(cause)
    return error.message, {"code": "BAD_USER_INPUT" if error.path else "GRAPHQL_VALIDATION_FAILED"}


def _cause(error: GraphQLError) -> Exception | None:
    """The exception behind it that is not GraphQL's own."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause if isinstance(cause, Exception) else None


def explained(error: InfinibayError) -> tuple[str, dict[str, Any]]:
    """The message and extensions of an error of ours, as a client may see them."""
    if error.code == INTERNAL and not isinstance(error, _OUTSPOKEN):
        return masked(error)
    extensions: dict[str, Any] = {"code": error.code}
    if error.code == INTERNAL:
        extensions["reference"] = _logged(error)
    if fields := _fields(error):
        extensions["fields"] = fields
    if error.remedy:
        extensions["remedy"] = error.remedy
    return error.message, extensions


def _fields(error: InfinibayError) -> list[dict[str, str]]:
    match error:
        case BadUserInput():
            return [
                {
                    "field": problem.field,
                    "message": problem.message,
                    "code": problem.code,
                    **({"remedy": problem.remedy} if problem.remedy else {}),
                }
                for problem in error.problems
            ]
        case Conflict(field=str(field)):
            return [{"field": field, "message": error.message, "code": error.code}]
        case UniqueViolation():
            return [{"field": field, "message": error.message, "code": error.code} for field in error.fields]
        case _:
            return []


def masked(error: BaseException) -> tuple[str, dict[str, Any]]:
    """What a client may know of an unexpected error: a reference to the log's line."""
    return _MASKED, {"code": INTERNAL, "reference": _logged(error)}


def _logged(error: BaseException) -> str:
    reference = uuid4().hex
    log.error("graphql.internal_error", reference=reference, exc_info=error)
    return reference

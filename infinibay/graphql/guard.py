"""What every root field goes through before and after its resolver, in one place; each is counted and timed.

A query: permission → texts. A mutation: audit entry → permission → texts → idempotency key → resolver → audit end.
A subscription: permission → texts → resolver → its stream, as long as the session holds.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from graphql import GraphQLArgument, GraphQLSchema, GraphQLString

from infinibay import metrics
from infinibay.core.access import Rule
from infinibay.core.identifiers import canonical
from infinibay.errors import BadUserInput, InfinibayError, TooManyRequests
from infinibay.graphql.areas import area_of
from infinibay.graphql.auth_users.types import LoginResponse
from infinibay.graphql.common import SuccessType
from infinibay.graphql.context import Context
from infinibay.graphql.machines.types import Machine
from infinibay.graphql.permissions import demand
from infinibay.graphql.replay import frozen, thawed
from infinibay.graphql.scripts.types import ScriptResponseType
from infinibay.graphql.texts import check

Resolver = Callable[..., Any]
_KEY = "idempotencyKey"
_CANCELLED = "cancelled"
# What an anonymous caller may repeat without an end leaves no entry in the audit trail.
_UNWRITTEN = frozenset({_CANCELLED, TooManyRequests.code})


def protect(schema: GraphQLSchema, rules: Mapping[str, Rule]) -> None:
    """Wraps every root field. Raises InfinibayError for a field without a rule and for a rule without a field."""
    roots = [root for root in (schema.query_type, schema.mutation_type, schema.subscription_type) if root]
    fields = {f"{root.name}.{name}": (root, name, field) for root in roots for name, field in root.fields.items()}
    if wrong := sorted(fields.keys() ^ rules.keys()):
        raise InfinibayError(f"Each root field needs exactly one rule; look at: {', '.join(wrong)}")
    for full_name, (root, name, field) in fields.items():
        rule = rules[full_name]
        if field.resolve is None:
            raise InfinibayError(f"{full_name} has no resolver")
        if field.subscribe is not None:
            field.subscribe = _counted("subscription", name, _subscription(name, rule, field.subscribe))
            field.resolve = _item(field.resolve)
            continue
        if root is schema.mutation_type:
            guarded = _mutation(name, area_of(field), rule, field.resolve)
            field.args[_KEY] = GraphQLArgument(GraphQLString)
        else:
            guarded = _query(rule, field.resolve)
        field.resolve = _counted(root.name.lower(), name, guarded)


def _counted(operation: str, name: str, resolve: Resolver) -> Resolver:
    async def counted(source: Any, info: Any, **arguments: Any) -> Any:
        info.context.root_fields.add(name)
        outcome = _CANCELLED
        try:
            with metrics.timed(metrics.FIELD_SECONDS.labels(operation, name)):
                result = resolve(source, info, **arguments)
                result = await result if inspect.isawaitable(result) else result
            outcome = _outcome(result)
        except Exception as error:
            outcome = error.code if isinstance(error, InfinibayError) else InfinibayError.code
            raise
        finally:
            metrics.FIELDS.labels(operation, name, outcome).inc()
        return result

    return counted


def _outcome(result: object) -> str:
    return "refused" if isinstance(result, (SuccessType, ScriptResponseType)) and not result.success else "ok"


def _query(rule: Rule, resolve: Resolver) -> Resolver:
    def guarded(source: Any, info: Any, **arguments: Any) -> Any:
        demand(rule, info.context)
        check(arguments)
        return resolve(source, info, **arguments)

    return guarded


def _subscription(name: str, rule: Rule, subscribe: Resolver) -> Resolver:
    async def guarded(source: Any, info: Any, **arguments: Any) -> Any:
        context: Context = info.context
        demand(rule, context)
        check(arguments)
        stream = await subscribe(source, info, **arguments)
        return _followed(name, context.services.streams.bounded(context.caller, stream))

    return guarded


async def _followed(name: str, stream: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    with metrics.SUBSCRIPTIONS.labels(name).track_inprogress():
        async with aclosing(stream):
            async for item in stream:
                yield item


def _item(resolve: Resolver) -> Resolver:
    """What a stream's item becomes. Over plain HTTP there is no stream, and nothing to resolve."""

    def shown(item: Any, info: Any, **arguments: Any) -> Any:
        if item is None:
            raise BadUserInput(message="Subscriptions are answered over a WebSocket only")
        return resolve(item, info, **arguments)

    return shown


def _mutation(name: str, area: str, rule: Rule, resolve: Resolver) -> Resolver:
    async def guarded(source: Any, info: Any, **arguments: Any) -> Any:
        context: Context = info.context

        async def answer() -> Any:
            demand(rule, context)
            check(arguments)
            key = arguments.pop(_KEY, None)

            async def call() -> Any:
                result = resolve(source, info, **arguments)
                return await result if inspect.isawaitable(result) else result

            if key is None or rule is Rule.PUBLIC:
                return await call()
            return await _once(context, key, name, arguments, call)

        if context.principal is None:
            # No throttle has seen what is refused here, so it must not reach the audit trail.
            demand(rule, context)
            check(arguments)
        return await _audited(context, name, _machine_id(area, arguments), dict(arguments), answer)

    return guarded


async def _once(
    context: Context, key: str, name: str, arguments: Mapping[str, Any], call: Callable[[], Awaitable[Any]]
) -> Any:
    """The resolver's own result the first time, one made again from what was kept of it later."""
    fresh: list[Any] = []

    async def run() -> dict[str, Any]:
        fresh.append(await call())
        return frozen(fresh[0])

    outcome = await context.services.idempotency.once(context.caller, key, name, arguments, run)
    return fresh[0] if fresh else await thawed(context, outcome)


async def _audited(
    context: Context,
    name: str,
    machine_id: str | None,
    arguments: Mapping[str, Any],
    answer: Callable[[], Awaitable[Any]],
) -> Any:
    audit = context.services.audit
    # Anonymous attempts are written at their end, and not all of them, so nobody can fill the table.
    entry = await audit.begin(context.principal, name, machine_id, arguments) if context.principal else None
    outcome, actor_id = "INTERNAL_SERVER_ERROR", None
    try:
        result = await answer()
        outcome = _outcome(result)
        if isinstance(result, Machine):
            machine_id = result.row.id
        if isinstance(result, LoginResponse):
            actor_id = str(result.user.id)
    except InfinibayError as error:
        outcome = error.code
        raise
    except asyncio.CancelledError:
        outcome = _CANCELLED
        raise
    finally:
        if entry is None and outcome not in _UNWRITTEN:
            entry = await audit.begin(None, name, machine_id, arguments)
        if entry is not None:
            await audit.end(entry, outcome, actor_id=actor_id, machine_id=machine_id)
    return result


def _machine_id(area: str, arguments: Mapping[str, Any]) -> str | None:
    """The machine that a mutation of the area machines names."""
    if area != "machines":
        return None
    named = arguments.get("id") or arguments.get("input", {}).get("id")
    return canonical(named) if isinstance(named, str) else None

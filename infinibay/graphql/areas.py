"""Which area of the interface a root field belongs to: the folder that its resolver lies in."""

from __future__ import annotations

from graphql import GraphQLField


def area_of(field: GraphQLField) -> str:
    """`machines`, `departments`, `auth_users` …"""
    return resolver_module(field).split(".")[2]


def resolver_module(field: GraphQLField) -> str:
    """The module of a root field's resolver, `infinibay.graphql.<area>.<queries|mutations|subscriptions>`."""
    return str(field.extensions["strawberry-definition"].base_resolver.wrapped_func.__module__)

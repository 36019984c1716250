"""A socket that is nobody's is closed when it has run nothing for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from infinibay.core.access import Principal, Role
from infinibay.errors import Unavailable
from infinibay.web import graphql_endpoint
from tests.support.api import PASSWORD, Api, running_api
from tests.support.databases import base_directory, fresh_database
from tests.support.sockets import LEGACY, PROTOCOLS, TRANSPORT, logged_in, opened, served

_ME = "{ currentUser { role } }"
_LOGIN = "mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { token } }"
_SECONDS = 0.5


@dataclass
class _Edge:
    api: Api
    url: str


@pytest.fixture(scope="module")
async def edge(postgres_url: str) -> AsyncIterator[_Edge]:
    """An edge that waits for a short time."""
    with pytest.MonkeyPatch.context() as patch, base_directory() as base:
        patch.setattr(graphql_endpoint, "INIT_SECONDS", _SECONDS)
        async with fresh_database(postgres_url) as database, running_api(database, base) as api, served(api.app) as url:
            yield _Edge(api, url)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("token", [None, "of nobody"])
async def test_the_socket_of_nobody_is_closed_and_that_of_somebody_stays(
    edge: _Edge, protocol: str, token: str | None
) -> None:
    async with (
        logged_in(edge.url, edge.api.tokens[Role.USER], protocol) as somebody,
        logged_in(edge.url, token, protocol) as nobody,
    ):
        assert (await (await nobody.start("{ __typename }")).next()) == "Query"
        assert await nobody.closed() == 4401
        assert await (await somebody.start(_ME)).next() == {"role": "USER"}


@pytest.mark.parametrize(("protocol", "code"), [(TRANSPORT, 4408), (LEGACY, 4401)])
async def test_a_socket_without_a_greeting_is_closed(edge: _Edge, protocol: str, code: int) -> None:
    async with opened(edge.url, protocol) as socket:
        assert await socket.closed() == code


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_running_operation_keeps_the_socket_of_nobody(
    edge: _Edge, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth, goes_on = edge.api.services.auth, asyncio.Event()
    login = auth.login

    async def slow(*arguments: Any) -> Any:
        await goes_on.wait()
        return await login(*arguments)

    monkeypatch.setattr(auth, "login", slow)
    async with logged_in(edge.url, None, protocol) as busy:
        answer = await busy.start(_LOGIN, {"email": "user@example.com", "password": PASSWORD})
        for _ in range(2):
            async with logged_in(edge.url, None, protocol) as idle:
                assert await idle.closed() == 4401
        goes_on.set()
        assert (await answer.next())["token"]
        assert await busy.closed() == 4401


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_socket_stays_while_the_database_cannot_tell_whose_it_is(
    edge: _Edge, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth, asked = edge.api.services.auth, 0
    authenticate, knows = auth.authenticate, asyncio.Event()

    async def away_at_first(token: str) -> Principal:
        nonlocal asked
        asked += 1
        if asked <= 2:
            raise Unavailable("The database is away")
        knows.set()
        return await authenticate(token)

    monkeypatch.setattr(auth, "authenticate", away_at_first)
    async with logged_in(edge.url, edge.api.tokens[Role.USER], protocol) as socket, asyncio.timeout(10):
        await knows.wait()
        assert await (await socket.start(_ME)).next() == {"role": "USER"}

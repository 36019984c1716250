"""What the log tells of WebSockets when it tells most."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.support.api import PASSWORD, Api, running_api
from tests.support.databases import base_directory, fresh_database
from tests.support.sockets import PROTOCOLS, opened, served
from tests.support.whole import logged_to

_LOGIN = "mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { token } }"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_secret_of_a_socket_is_logged(protocol: str, postgres_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with base_directory() as base, logged_to(log, "DEBUG"):
        async with fresh_database(postgres_url) as database, running_api(database, base) as api:
            token = await _logged_in(api, protocol)
        logging.getLogger("somebody").debug("the last line")
    lines = log.read_text()
    assert "http.socket_closed" in lines
    assert "the last line" in lines
    for secret in ("planted", PASSWORD, token, "user@example.com"):
        assert secret not in lines, secret


async def _logged_in(api: Api, protocol: str) -> str:
    """Logs in over a socket whose address, header and greeting hold secrets; the token."""
    headers = {"Authorization": "Bearer planted.in.header"}
    async with (
        served(api.app) as url,
        opened(url, protocol, headers, path="/graphql?token=planted-in-address") as socket,
    ):
        assert await socket.greet({"authorization": "planted.in.greeting"}) == {"type": "connection_ack"}
        refused = await socket.start(_LOGIN, {"email": "user@example.com", "password": "planted password"})
        assert (await refused.refusal())["code"] == "UNAUTHENTICATED"
        answer = await socket.start(_LOGIN, {"email": "user@example.com", "password": PASSWORD})
        token: str = (await answer.next())["token"]
        return token

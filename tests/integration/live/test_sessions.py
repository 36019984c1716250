"""A stream lasts as long as the session that opened it, and who asks over a socket is looked at each time."""

from __future__ import annotations

from uuid import uuid4

import pytest

from infinibay.core.access import Role
from tests.integration.live.stage import EVENTS, STATUS, Stage
from tests.support.sockets import LEGACY, PROTOCOLS, TRANSPORT, logged_in, opened
from tests.support.whole import PASSWORD

_ME = "{ currentUser { email } }"
_LOGIN = "mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { token } }"
_ENDED = {"message": "The session has ended; log in again", "code": "UNAUTHENTICATED"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE sessions SET revoked_at = now() WHERE user_id = %s::uuid RETURNING 1",
        "UPDATE sessions SET expires_at = now() WHERE user_id = %s::uuid RETURNING 1",
        "DELETE FROM sessions WHERE user_id = %s::uuid RETURNING 1",
        "UPDATE users SET deleted_at = now() WHERE id = %s::uuid RETURNING 1",
        "UPDATE users SET role = 'USER' WHERE id = %s::uuid RETURNING 1",
        "UPDATE users SET role = 'SUPER_ADMIN' WHERE id = %s::uuid RETURNING 1",
        "DELETE FROM users WHERE id = %s::uuid RETURNING 1",
    ],
)
async def test_every_stream_ends_with_its_session(stage: Stage, ending: str, protocol: str) -> None:
    await stage.product.join("leaving", Role.ADMIN)
    machine = await stage.machine(None)
    async with stage.socket("leaving", protocol) as leaving, stage.socket("admin", protocol) as staying:
        streams = [await leaving.start(EVENTS), await leaving.start(STATUS, {"id": machine})]
        others = await staying.start(STATUS, {"id": machine})
        for stream in (streams[1], others):
            assert (await stream.next())["machineId"] == machine

        await stage.product.rows(ending, stage.product.users["leaving"])

        for stream in streams:
            assert await stream.refusal() == _ENDED
        # The socket stays; whoever holds it is nobody now.
        refusal = await (await leaving.start(_ME)).refusal()
        assert refusal["code"] == "UNAUTHENTICATED"
        await stage.status(machine, "running")
        assert (await others.next())["status"] == "running"


async def test_a_stream_ends_when_its_session_s_time_is_over(stage: Stage) -> None:
    await stage.product.join("expiring", Role.ADMIN)
    await stage.product.rows(
        "UPDATE sessions SET expires_at = now() + interval '1 second' WHERE user_id = %s::uuid RETURNING 1",
        stage.product.users["expiring"],
    )
    async with stage.socket("expiring") as socket:
        stream = await socket.start(EVENTS)
        assert await stream.refusal() == _ENDED


async def test_logging_out_ends_the_streams_of_that_session_alone(stage: Stage) -> None:
    email = await stage.product.join("twice", Role.USER)
    second = await stage.product.login(email, PASSWORD)
    async with stage.socket("twice") as one, logged_in(stage.product.url, second) as other:
        ending, going_on = await one.start(EVENTS), await other.start(EVENTS)
        assert await (await one.start("mutation { logout }")).next() is True
        assert await ending.refusal() == _ENDED
        await (await other.start(_ME)).next()
        machine = await stage.machine("twice")
        assert (await going_on.next())["machineId"] == machine


async def test_a_session_that_ends_while_the_listener_is_away_ends_its_streams(stage: Stage) -> None:
    await stage.product.join("unheard", Role.ADMIN)
    async with stage.socket("unheard") as socket:
        stream = await socket.start(EVENTS)
        await (await socket.start(_ME)).next()
        # The trigger would be heard at once; without it only the look after a reconnection finds the end.
        await stage.product.connection.execute("SET session_replication_role = replica")
        await stage.product.rows(
            "UPDATE sessions SET revoked_at = now() WHERE user_id = %s::uuid RETURNING 1",
            stage.product.users["unheard"],
        )
        await stage.product.connection.execute("SET session_replication_role = DEFAULT")
        await stage.cut_listeners()
        assert await stream.refusal() == _ENDED


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("prefix", ["Bearer ", "bearer ", ""])
async def test_a_token_in_connection_init(stage: Stage, protocol: str, name: str, prefix: str) -> None:
    async with opened(stage.product.url, protocol) as socket:
        assert await socket.greet({name: prefix + stage.product.tokens["owner"]}) == {"type": "connection_ack"}
        assert "owner" in (await (await socket.start(_ME)).next())["email"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_token_in_the_handshake_counts_unless_connection_init_has_one(stage: Stage, protocol: str) -> None:
    headers = {"Authorization": f"Bearer {stage.product.tokens['owner']}"}
    async with opened(stage.product.url, protocol, headers) as socket:
        await socket.greet({"theme": "dark"})
        assert "owner" in (await (await socket.start(_ME)).next())["email"]
    async with opened(stage.product.url, protocol, headers) as socket:
        await socket.greet({"authorization": stage.product.tokens["stranger"]})
        assert "stranger" in (await (await socket.start(_ME)).next())["email"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_nobody_may_log_in_over_a_socket_and_no_more(stage: Stage, protocol: str) -> None:
    email = await stage.product.join("arriving", Role.USER)
    async with stage.socket(None, protocol) as socket:
        token = (await (await socket.start(_LOGIN, {"email": email, "password": PASSWORD})).next())["token"]
        for query in (EVENTS, STATUS, _ME):
            refusal = await (await socket.start(query)).refusal()
            assert refusal == {"message": "You must log in to do this.", "code": "UNAUTHENTICATED"}
    async with logged_in(stage.product.url, token, protocol) as socket:
        assert (await (await socket.start(_ME)).next())["email"] == email


async def test_a_wrong_token_is_told_what_is_wrong_with_it(stage: Stage) -> None:
    async with opened(stage.product.url) as socket:
        assert await socket.greet({"authorization": f"Bearer {uuid4()}"}) == {"type": "connection_ack"}
        refusal = await (await socket.start(EVENTS)).refusal()
        assert refusal == {"message": "The access token is not valid; log in again", "code": "UNAUTHENTICATED"}


async def test_a_token_that_is_no_text_is_rejected(stage: Stage) -> None:
    async with opened(stage.product.url, TRANSPORT) as socket:
        await socket.send({"type": "connection_init", "payload": {"authorization": 5}})
        assert await socket.closed() == 4403
    async with opened(stage.product.url, LEGACY) as socket:
        answer = await socket.greet({"authorization": ["x"]})
        assert answer == {"type": "connection_error", "payload": {"message": "`authorization` must be a text"}}
        assert await socket.closed() == 1011

"""The proxies with TLS as docs/ configures them: everything passes, and the server learns who calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.support.documents import Page, runs
from tests.support.iso_layouts import ubuntu_iso
from tests.support.product import EMAIL, LOGIN, PASSWORD, Product
from tests.support.proxies import ADDRESS, NAME, Proxy, caddy, nginx
from tests.support.sockets import PROTOCOLS, Socket
from tests.system.life import serving

_ORIGIN = f"https://{NAME}"
_EVENTS = 'subscription { machineEvents(afterSeq: "0") { data } }'
_CREATE_DEPARTMENT = "mutation ($name: String!) { createDepartment(name: $name) { id } }"
_CREATE_USER = "mutation ($input: CreateUserInputType!) { createUser(input: $input) { id } }"
ACCOUNT_AT_ONE_ADDRESS = 10


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    async with serving() as made:
        yield made


@runs("reverse_proxy")
async def test_caddy_passes_everything_on(product: Product, page: Page, tmp_path: Path) -> None:
    with caddy(page.read("reverse_proxy"), product.url.removeprefix("http://")) as proxy:
        await _everything_passes(product, proxy, ubuntu_iso(tmp_path / "any.iso", "20.04", extra=3_000_000))


@runs("proxy_pass")
async def test_nginx_passes_everything_on(product: Product, page: Page, tmp_path: Path) -> None:
    with nginx(page.read("proxy_pass"), product.url.removeprefix("http://")) as proxy:
        await _everything_passes(product, proxy, ubuntu_iso(tmp_path / "any.iso", "22.04", extra=3_000_000))


async def _everything_passes(product: Product, proxy: Proxy, medium: Path) -> None:
    with proxy.client() as client:
        page = client.get("/graphql", headers={"accept": "text/html"})
        assert (page.status_code, "GraphiQL" in page.text) == (200, True)
        token = _login(client, EMAIL, PASSWORD)["data"]["login"]["token"]
        _a_medium_is_stored(product, client, token, medium)
    for protocol in PROTOCOLS:
        await _events_come(product, proxy, protocol, token)
    await _failed_logins_are_counted_by_caller(product, proxy)


def _a_medium_is_stored(product: Product, client: httpx.Client, token: str, medium: Path) -> None:
    """It is larger than proxies let pass unasked."""
    headers = {"authorization": f"Bearer {token}"}
    sent = client.post("/isoUpload", headers=headers, files={"file": medium.read_bytes()})
    assert sent.status_code == 200, sent.text
    assert (product.base / "iso" / sent.json()["fileName"]).read_bytes() == medium.read_bytes()


async def _events_come(product: Product, proxy: Proxy, protocol: Any, token: str) -> None:
    """To a page of the proxy's own address."""
    async with connect(
        f"wss://{NAME}/graphql",
        host=ADDRESS,
        port=443,
        ssl=proxy.trust,
        subprotocols=[protocol],
        origin=_ORIGIN,  # type: ignore[arg-type]
        proxy=None,
    ) as connection:
        socket = Socket(connection, protocol)
        assert await socket.greet({"Authorization": f"Bearer {token}"}) == {"type": "connection_ack"}
        events = await socket.start(_EVENTS)
        await events.next()  # One that was there before.
        made = await product.ask(_CREATE_DEPARTMENT, {"name": f"behind a proxy {uuid4()}"})
        while (await events.next())["data"].get("departmentId") != made["createDepartment"]["id"]:
            continue
        await socket.close()


async def _failed_logins_are_counted_by_caller(product: Product, proxy: Proxy) -> None:
    """One who guesses is refused, whatever he says of himself, and nobody else."""
    user = {"email": f"{uuid4()}@example.com", "firstName": "Ann", "lastName": "Other", "role": "USER"}
    passwords = {"password": PASSWORD, "passwordConfirmation": PASSWORD}
    await product.ask(_CREATE_USER, {"input": {**user, **passwords}})
    with proxy.client("127.0.0.2") as guesser, proxy.client("127.0.0.4") as owner:
        guesses = [
            _code(_login(guesser, user["email"], "a guess", f"198.51.100.{number}"))
            for number in range(ACCOUNT_AT_ONE_ADDRESS)
        ]
        assert set(guesses) == {"UNAUTHENTICATED"}
        assert _code(_login(guesser, user["email"], PASSWORD, "127.0.0.4")) == "TOO_MANY_REQUESTS"
        assert _code(_login(owner, user["email"], PASSWORD)) == ""


def _login(client: httpx.Client, email: str, password: str, forged: str = "") -> dict[str, Any]:
    """The answer to a page of the proxy's own address; `forged` is where its caller says to be."""
    body = {"query": LOGIN, "variables": {"email": email, "password": password}}
    headers = {"origin": _ORIGIN, **({"x-forwarded-for": forged} if forged else {})}
    answer: dict[str, Any] = client.post("/graphql", json=body, headers=headers).json()
    return answer


def _code(answer: dict[str, Any]) -> str:
    return str(answer["errors"][0]["extensions"]["code"]) if "errors" in answer else ""

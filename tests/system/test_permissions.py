"""Who may drive a real machine: its owner and administrators; for anybody else there is none."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from infinibay.services.throttle import ACCOUNT_LIMIT
from tests.support.guest_iso import build_guest_iso
from tests.support.interface import document, root_fields
from tests.support.permission_table import CALLERS, TABLE
from tests.support.product import EMAIL, LOGIN, PASSWORD, ROOT, Product

VERBS = {
    "suspend": "paused",
    "resumeMachine": "running",
    "resetMachine": "running",
    "rebootMachine": "running",
    "restartMachine": "running",
    "powerOff": "shut off",
    "powerOn": "running",
    "forcePowerOff": "shut off",
    "destroyMachine": "",
}
ASSIGN = "mutation A($input: UpdateMachineUserInput!) { updateMachineUser(input: $input) { userId } }"
ME = "{ currentUser { id } }"


@dataclass
class Stage:
    """A server with a machine that belongs to the first of two users; tokens by the name of the caller."""

    product: Product
    machine: str
    tokens: dict[str, str]
    owner_email: str

    async def verb(self, name: str, caller: str) -> dict[str, object] | str:
        """The outcome of a verb, or the code of its error."""
        query = f'mutation {{ {name}(id: "{self.machine}") {{ success message }} }}'
        answer = await self.product.post(query, token=self.tokens[caller])
        if "errors" in answer:
            return str(answer["errors"][0]["extensions"]["code"])
        outcome: dict[str, object] = answer["data"][name]
        return outcome

    def state(self) -> str:
        return self.product.virsh("domstate", self.machine)


async def _joined(product: Product) -> tuple[str, str]:
    """The address and token of a new user whom the command line made while the server runs."""
    email = f"{uuid4()}@example.com"
    command = [sys.executable, "-m", "infinibay", "user", "create", email, "--first-name", "A", "--last-name", "B"]

    def make() -> None:
        environment = {**os.environ, **product.settings}
        subprocess.run([*command, "--password", PASSWORD], cwd=ROOT, env=environment, check=True, capture_output=True)

    await asyncio.to_thread(make)
    return email, await product.login(email, PASSWORD)


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    """One server and one machine for the module."""
    product = Product(build_guest_iso(), INFINIBAY_POWER_OFF_SECONDS="1")
    try:
        await product.start()
        (email, first), (_, second) = await asyncio.gather(_joined(product), _joined(product))
        admin = await product.login(EMAIL, PASSWORD)
        owner = (await product.ask(ME, token=first))["currentUser"]["id"]
        created = await product.create("the owner's")
        assert (await product.ended(created["operation"]["id"]))["state"] == "SUCCEEDED"
        given = {"id": created["id"], "userId": owner}
        assert (await product.ask(ASSIGN, {"input": given}))["updateMachineUser"] == {"userId": owner}
        # An empty token is sent as none.
        tokens = {"anonymous": "", "forged": f"{admin[:-4]}AAAA", "stranger": second, "owner": first, "admin": admin}
        yield Stage(product, created["id"], tokens, email)
    finally:
        await product.close()


@pytest.mark.parametrize(("verb", "state"), VERBS.items())
async def test_only_those_who_may_drive_a_machine(stage: Stage, verb: str, state: str) -> None:
    before = stage.state()
    assert await stage.verb(verb, "anonymous") == "UNAUTHENTICATED"
    assert await stage.verb(verb, "forged") == "UNAUTHENTICATED"
    assert await stage.verb(verb, "stranger") == {"success": False, "message": "Machine not found"}
    assert stage.state() == before

    outcome = await stage.verb(verb, "owner")

    assert (outcome["success"] if isinstance(outcome, dict) else outcome) is True
    assert stage.state() == state
    after = await stage.verb(verb, "admin")
    assert isinstance(after, dict)
    assert (after["message"] == "Machine not found") is (verb == "destroyMachine")
    assert stage.state() == state


@pytest.mark.parametrize("full_name", [one for one in root_fields() if not one.startswith("Subscription")])
async def test_no_root_field_opens_to_whom_it_should_not(stage: Stage, full_name: str) -> None:
    async def refusals(caller: str) -> set[str]:
        answer = await stage.product.post(*document(full_name), token=stage.tokens[caller])
        return {error["extensions"]["code"] for error in answer.get("errors", [])} & {"UNAUTHENTICATED", "FORBIDDEN"}

    for caller in ("anonymous", "forged"):
        assert await refusals(caller) == {"UNAUTHENTICATED"}  # For a login without credentials, too.
    if full_name not in {"Mutation.login", "Mutation.logout"}:
        stranger = TABLE[full_name][CALLERS.index("stranger")]
        assert await refusals("stranger") == ({stranger} & {"FORBIDDEN"})


async def test_strangers_do_not_lock_the_owner_out_at_a_known_address(stage: Stage) -> None:
    """The addresses are those that a proxy on this host tells."""
    client = stage.product._client
    assert client is not None
    email = stage.owner_email

    async def code(address: str, password: str) -> str:
        variables = {"email": email, "password": password}
        headers = {"x-forwarded-for": address}
        answer = (await client.post("/graphql", json={"query": LOGIN, "variables": variables}, headers=headers)).json()
        return str(answer["errors"][0]["extensions"]["code"]) if "errors" in answer else "ok"

    assert await code("192.0.2.1", PASSWORD) == "ok"
    guesses = [await code(f"198.51.100.{number}", f"guess {n}") for number in range(4) for n in range(25)]
    assert Counter(guesses) == {"UNAUTHENTICATED": ACCOUNT_LIMIT, "TOO_MANY_REQUESTS": 100 - ACCOUNT_LIMIT}
    assert await code("198.51.100.9", PASSWORD) == "TOO_MANY_REQUESTS"
    assert await code("192.0.2.1", PASSWORD) == "ok"
    assert stage.product.secrets_in_log("guess 1", PASSWORD) == []


async def test_nothing_is_left_of_the_machine(stage: Stage) -> None:
    assert stage.product.leftovers(stage.machine) == []

"""Every root field by every caller, over HTTP and WebSockets on the whole product."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from graphql import GraphQLObjectType, get_named_type

from infinibay.core.access import Role
from infinibay.secrets import open_vault
from tests.support.databases import base_directory, fresh_database
from tests.support.ground import Ground
from tests.support.interface import document, field_of, leaves, root_fields
from tests.support.permission_table import CALLERS, TABLE
from tests.support.sockets import PROTOCOLS, logged_in
from tests.support.whole import PASSWORD, Whole, whole

# What must not leave a trace, beside the audit trail.
_WITHOUT_EFFECT = {"UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "NOT_IMPLEMENTED", "CONFLICT", "absent"}
# At a login nobody is known yet, and after a logout nobody any more.
_KEYED = sorted({one for one in TABLE if one.startswith("Mutation")} - {"Mutation.login", "Mutation.logout"})
_ME = "{ currentUser { id } }"
_LOGIN = "mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { token } }"
_ASSIGN = "mutation ($input: UpdateMachineUserInput!) { updateMachineUser(input: $input) { userId departmentId } }"
_MOVE = "mutation ($id: String!, $to: String!) { moveMachine(id: $id, departmentId: $to) { id } }"
# The machine's operation as if it had still run when the owner got the machine.
_TOLD = (
    "INSERT INTO events (kind, machine_id, operation_id, owner_id)"
    " SELECT 'operation.updated', machine_id, id, %s::uuid FROM operations WHERE id = %s::uuid RETURNING 1"
)
_AUTOSTART = "mutation ($id: String!) { setAutostart(id: $id, enabled: false) { id } }"


@dataclass
class Stage:
    """The ground, whose machine belongs to the owner and to a department with nobody else's machines."""

    ground: Ground
    emails: dict[str, str]
    department: str
    given: str | None = None
    logged_out: bool = False

    @property
    def product(self) -> Whole:
        return self.ground.product

    async def restore(self) -> None:
        """Makes again what a request changed, and logs in who was logged out."""
        ground, product = self.ground, self.product
        await product.settled()
        await ground.restore()
        if self.given != ground.machine:
            self.given = ground.machine
            assigned = {"id": ground.machine, "userId": product.users["owner"]}
            await product.ask(_ASSIGN, {"input": assigned})
            await product.ask(_MOVE, {"id": ground.machine, "to": self.department})
            await product.ask(_AUTOSTART, {"id": ground.machine})
            await product.rows(_TOLD, product.users["owner"], ground.operation)
        # A creation that is tried again and fails leaves no screen.
        await product.rows("UPDATE machine_configurations SET graphic_port = 5901 RETURNING 1")
        again, self.logged_out = self.logged_out, False
        for caller, email in self.emails.items() if again else ():
            if "errors" in (await product.post(_ME, token=product.tokens[caller])).json():
                product.tokens[caller] = await product.login(email, PASSWORD)

    def known(self, full_name: str, path: str) -> Any:
        """The same for every caller: the owner's things, and new ones where some are made."""
        name, field = path.rsplit(".", maxsplit=1)[-1], full_name.split(".")[1]
        values = {
            "department": {"id": self.department},
            "findDepartmentByName": {"name": f"department of {self.product.users['owner']}"},
            "login": {"email": self.emails["owner"], "password": PASSWORD},
            "revokeSessions": {"userId": self.product.users["owner"]},
            "user": {"id": self.product.users["owner"]},
            "updateUser": {"id": self.product.users["owner"], "avatar": f"{uuid4()}.png"},
            "updateMachineUser": {"userId": self.product.users["owner"]},
            "moveMachine": {"departmentId": self.department},
        }
        return values.get(field, {}).get(name) or self.ground.known(full_name, path)

    async def ask(self, full_name: str, caller: str, protocol: str | None = None) -> str:
        """The outcome of a root field for a caller, as the table has it: over HTTP or a WebSocket's protocol."""
        self.logged_out |= full_name in {"Mutation.logout", "Mutation.revokeSessions"}
        query, variables = self.document(full_name)
        token = self.product.tokens.get(caller)
        if protocol is None:
            answer = (await self.product.post(query, variables, token)).json()
        else:
            async with logged_in(self.product.url, token, protocol) as socket:
                answer = await (await socket.start(query, variables)).answer()
        if "errors" in answer:
            (error,) = answer["errors"]
            return str(error["extensions"]["code"])
        return self._outcome(full_name, answer["data"][full_name.split(".")[1]])

    def document(self, full_name: str) -> tuple[str, dict[str, Any]]:
        """The request that `ask` sends, and its variables."""
        of_machine = {"Query.machineEvents", "Subscription.machineEvents", "Subscription.machineStatus"}
        path, value = ("machineId", self.ground.machine) if full_name in of_machine else ("", None)
        inner = ["items { id }"] if "items" in fields_of(full_name) else []
        selection = " ".join(["__typename", *leaves(full_name), *inner])
        query, variables = document(full_name, path, value, known=self.known, selection=selection)
        if full_name == "Subscription.machineEvents":
            query = query.replace("machineId: $machineId", 'machineId: $machineId, afterSeq: "0"')
        return query, variables

    def _outcome(self, full_name: str, result: Any) -> str:
        answer = get_named_type(field_of(full_name).type).name
        if answer == "SuccessType":
            return "absent" if result == {**result, "success": False, "message": "Machine not found"} else "driven"
        if result is None:
            return "null"
        if full_name.startswith("Mutation") or answer not in {
            *("Machine", "MachinePage", "MachineStatusEvent", "DepartmentType", "Operation", "OperationPage", "Event"),
        }:
            return "ok"
        own = (self.ground.machine, self.ground.operation, self.department)
        return "seen" if any(one in json.dumps(result) for one in own) else "hidden"


def fields_of(full_name: str) -> set[str]:
    """The names of all fields of a root field's answer."""
    named = get_named_type(field_of(full_name).type)
    return set(named.fields) if isinstance(named, GraphQLObjectType) else set()


@pytest.fixture(scope="module")
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    """The running product with a user for each caller."""
    with base_directory() as base:
        async with fresh_database(postgres_url) as url, whole(url, base) as product:
            roles = {"stranger": Role.USER, "owner": Role.USER, "admin": Role.ADMIN, "super_admin": Role.SUPER_ADMIN}
            emails = {caller: await product.join(caller, role) for caller, role in roles.items()}
            ground = await Ground.lay(product)
            made = Stage(ground, emails, await product.department(f"Department of {product.users['owner']}"))
            await made.restore()
            yield made


def test_the_table_names_every_root_field() -> None:
    assert sorted(TABLE) == sorted(root_fields())


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("full_name", root_fields("Query", "Mutation"))
async def test_each_root_field_answers_each_caller_as_it_should(stage: Stage, full_name: str, caller: str) -> None:
    await stage.restore()
    before = await stage.product.state()
    wanted = TABLE[full_name][CALLERS.index(caller)]

    assert await stage.ask(full_name, caller) == wanted

    if wanted in _WITHOUT_EFFECT or full_name.startswith("Query"):
        assert await stage.product.state() == before


@pytest.mark.parametrize("full_name", _KEYED)
async def test_each_mutation_with_a_key_has_one_effect_and_one_answer(stage: Stage, full_name: str) -> None:
    await stage.restore()
    selection = "id" if "id" in leaves(full_name) else " ".join(leaves(full_name))
    query, variables = document(full_name, "idempotencyKey", str(uuid4()), known=stage.known, selection=selection)
    stage.logged_out |= full_name == "Mutation.revokeSessions"
    token = stage.product.tokens["admin"]
    first = (await stage.product.post(query, variables, token)).json()
    await stage.product.settled()
    before = await stage.product.state()

    assert (await stage.product.post(query, variables, token)).json() == first

    await stage.product.settled()
    assert await stage.product.state() == before


@pytest.mark.parametrize("full_name", root_fields())
async def test_each_root_field_answers_each_caller_over_a_socket(stage: Stage, full_name: str) -> None:
    answers = {}
    for caller, protocol in zip(CALLERS, itertools.cycle(PROTOCOLS), strict=False):
        await stage.restore()
        answers[caller] = await stage.ask(full_name, caller, protocol)
    assert answers == dict(zip(CALLERS, TABLE[full_name], strict=True))


@pytest.mark.parametrize("full_name", root_fields("Subscription"))
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_each_subscription_answers_each_caller_in_both_protocols(
    stage: Stage, full_name: str, protocol: str
) -> None:
    await stage.restore()
    answers = {caller: await stage.ask(full_name, caller, protocol) for caller in CALLERS}
    assert answers == dict(zip(CALLERS, TABLE[full_name], strict=True))


async def test_an_administrator_does_not_reach_above_the_own_rank(stage: Stage) -> None:
    await stage.restore()
    query, variables = document("Mutation.revokeSessions", "userId", stage.product.users["super_admin"])
    answer = (await stage.product.post(query, variables, stage.product.tokens["admin"])).json()
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    await stage.product.ask(_ME, caller="super_admin")


def _forged(stage: Stage) -> dict[str, str]:
    """Tokens with the administrator's own claims that the server did not give out."""
    key = open_vault(stage.product.settings.key_file).token_key()
    genuine = stage.product.tokens["super_admin"]
    claims = jwt.decode(genuine, key, algorithms=["HS256"])
    yesterday = datetime.now(UTC) - timedelta(days=1)
    head, body, signature = genuine.split(".")
    owner = jwt.decode(stage.product.tokens["owner"], key, algorithms=["HS256"])
    return {
        "another key": jwt.encode(claims, b"x" * 32, algorithm="HS256"),
        "no signature": jwt.encode(claims, "", algorithm="none"),
        "the signature cut off": f"{head}.{body}.",
        "another algorithm": jwt.encode(claims, key * 2, algorithm="HS512"),
        "expired": jwt.encode({**claims, "exp": yesterday}, key, algorithm="HS256"),
        "without an end": jwt.encode({k: v for k, v in claims.items() if k != "exp"}, key, algorithm="HS256"),
        "another's session": jwt.encode({**owner, "userId": claims["userId"]}, key, algorithm="HS256"),
        "a higher role": jwt.encode({**owner, "userRole": "SUPER_ADMIN"}, key, algorithm="HS256"),
        "an unknown session": jwt.encode({**claims, "sid": str(uuid4())}, key, algorithm="HS256"),
        "a session that is no id": jwt.encode({**claims, "sid": "' OR 1=1 --"}, key, algorithm="HS256"),
        "a wrong signature": f"{head}.{body}.{signature[::-1]}",
        "no token at all": "x" * 5000,
    }


async def test_a_token_that_was_not_given_out_opens_no_root_field(stage: Stage) -> None:
    await stage.restore()
    opened = []
    for kind, token in _forged(stage).items():
        for full_name in ("Query.currentUser", "Query.machines", "Mutation.createDepartment", "Mutation.powerOn"):
            query, variables = document(full_name, known=stage.known)
            answer = (await stage.product.post(query, variables, token)).json()
            codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
            opened += [] if codes == ["UNAUTHENTICATED"] else [(kind, full_name, answer)]
        async with logged_in(stage.product.url, token) as socket:
            for full_name in ("Query.currentUser", *root_fields("Subscription")):
                answer = await (await socket.start(*stage.document(full_name))).answer()
                codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
                opened += [] if codes == ["UNAUTHENTICATED"] else [(kind, full_name, answer)]
    assert opened == []


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE sessions SET revoked_at = now() WHERE user_id = %s::uuid RETURNING 1",
        "UPDATE sessions SET expires_at = now() WHERE user_id = %s::uuid RETURNING 1",
        "DELETE FROM sessions WHERE user_id = %s::uuid RETURNING 1",
        "UPDATE users SET deleted_at = now() WHERE id = %s::uuid RETURNING 1",
        "UPDATE users SET role = 'USER' WHERE id = %s::uuid RETURNING 1",
        "DELETE FROM users WHERE id = %s::uuid RETURNING 1",
    ],
)
async def test_a_token_ends_with_its_session_and_its_user(stage: Stage, ending: str) -> None:
    await stage.product.join("leaving", Role.ADMIN)
    await stage.product.ask(_ME, caller="leaving")
    await stage.product.rows(ending, stage.product.users["leaving"])
    answer = (await stage.product.post(_ME, token=stage.product.tokens["leaving"])).json()
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]
    async with logged_in(stage.product.url, stage.product.tokens["leaving"]) as socket:
        for full_name in ("Query.currentUser", *root_fields("Subscription")):
            refusal = await (await socket.start(*stage.document(full_name))).refusal()
            assert refusal["code"] == "UNAUTHENTICATED"


async def test_wrong_passwords_are_slowed_down_and_tell_nothing(stage: Stage) -> None:
    known = await stage.product.join("guessed", Role.USER)
    answers: dict[str, list[Any]] = {}
    for email in (known, f"{uuid4()}@example.com"):
        tries = [await stage.product.post(_LOGIN, {"email": email, "password": f"guess {n}"}) for n in range(25)]
        answers[email] = [(one.status_code, one.json()) for one in tries]
        codes = [one.json()["errors"][0]["extensions"]["code"] for one in tries]
        assert codes == ["UNAUTHENTICATED"] * 10 + ["TOO_MANY_REQUESTS"] * 15
    real, unknown = answers.values()
    assert real == unknown
    right = await stage.product.post(_LOGIN, {"email": known, "password": PASSWORD})
    assert right.json()["errors"][0]["extensions"]["code"] == "TOO_MANY_REQUESTS"


def test_the_server_does_not_start_while_a_root_field_has_no_rule(stage: Stage) -> None:
    program = (
        "from infinibay.graphql.permissions import RULES; del RULES['Query.machine'];"
        "from infinibay.cli import main; main(['serve'])"
    )
    settings = stage.product.settings
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "INFINIBAY_BASE_DIR": str(settings.infinibay_base_dir),
        "DATABASE_URL": str(settings.database_url),
        "LIBVIRT_URI": settings.libvirt_uri,
        "PORT": "0",
    }
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "Each root field needs exactly one rule; look at: Query.machine"

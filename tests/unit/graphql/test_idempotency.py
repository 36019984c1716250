"""One effect for one key, and the audit trail of every mutation."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.access import Role
from infinibay.db import idempotency, rows
from infinibay.db.locks import LockHolder
from infinibay.errors import Conflict, DatabaseUnavailable
from infinibay.services.idempotency import settle
from infinibay.services.passwords import Passwords
from tests.support.api import Api
from tests.support.wait import until

CREATE = """mutation ($input: CreateMachineInputType!, $key: String) {
  createMachine(input: $input, idempotencyKey: $key) { id name } }"""


def machine(name: str = "m") -> dict[str, Any]:
    return {"name": name, "os": "UBUNTU", "username": "u", "password": "secret-1", "productKey": "secret-2"}


def new_key() -> str:
    return f"key {uuid4()}"


async def kept(api: Api, role: Role, key: str) -> rows.IdempotencyKey | None:
    return await idempotency.find(api.database, api.users[role].id, key)


async def test_the_same_key_gets_the_first_answer(api: Api) -> None:
    key, before = new_key(), api.machines.count("create")
    first = await api.ask(CREATE, {"input": machine(), "key": key})
    assert await api.ask(CREATE, {"input": machine(), "key": key}) == first
    assert api.machines.count("create") == before + 1
    assert await api.ask(CREATE, {"input": machine()}) != first


async def test_a_key_with_another_input_is_a_conflict(api: Api) -> None:
    key = new_key()
    await api.ask(CREATE, {"input": machine(), "key": key})
    for changed in ({"name": "other"}, {"password": "secret-3"}):
        error = await api.refusal(CREATE, {"input": {**machine(), **changed}, "key": key})
        assert (error["code"], error["message"]) == ("CONFLICT", "This idempotency key was used with another input")
    rename = 'mutation ($key: String) { createDepartment(name: "x", idempotencyKey: $key) { id } }'
    assert (await api.refusal(rename, {"key": key}))["code"] == "CONFLICT"


async def test_keys_belong_to_their_user(api: Api) -> None:
    key = new_key()
    first = await api.ask(CREATE, {"input": machine(), "key": key}, Role.ADMIN)
    second = await api.ask(CREATE, {"input": machine("other"), "key": key}, Role.SUPER_ADMIN)
    assert first != second


@pytest.mark.parametrize("key", ["", "k" * 101])
async def test_a_key_has_1_to_100_characters(api: Api, key: str) -> None:
    error = await api.refusal(CREATE, {"input": machine(), "key": key})
    assert (error["code"], error["fields"][0]["field"]) == ("BAD_USER_INPUT", "idempotencyKey")


async def test_a_call_that_failed_may_be_tried_again(api: Api) -> None:
    key = new_key()
    api.machines.error = DatabaseUnavailable()
    assert (await api.refusal(CREATE, {"input": machine(), "key": key}))["code"] == "UNAVAILABLE"
    assert await kept(api, Role.SUPER_ADMIN, key) is None
    await api.ask(CREATE, {"input": machine(), "key": key})


async def test_a_key_whose_first_call_still_runs_is_a_conflict(api: Api) -> None:
    key, begun, go_on = new_key(), asyncio.Event(), asyncio.Event()
    service, principal = api.services.idempotency, api.principal(Role.ADMIN)

    async def slow() -> dict[str, Any]:
        begun.set()
        await go_on.wait()
        return {"value": 1}

    async def quick() -> dict[str, Any]:
        return {"value": 2}

    first = asyncio.create_task(service.once(principal, key, "action", {}, slow))
    await begun.wait()
    with pytest.raises(Conflict, match="has not ended yet"):
        await service.once(principal, key, "action", {}, quick)
    go_on.set()
    assert await first == {"value": 1}
    assert await service.once(principal, key, "action", {}, quick) == {"value": 1}


async def test_the_call_of_another_process_is_seen_and_its_death_too(api: Api) -> None:
    key, principal, service = new_key(), api.principal(Role.ADMIN), api.services.idempotency
    other = LockHolder(api.database._url)
    name = f"idempotency {principal.user_id} {key}"
    assert await other.hold(name)
    fingerprint = service._fingerprint("action", {})
    await idempotency.claim(api.database, principal.user_id, key, action="action", fingerprint=fingerprint)

    async def call() -> dict[str, Any]:
        return {"value": 3}

    with pytest.raises(Conflict, match="has not ended yet"):
        await service.once(principal, key, "action", {}, call)
    await other.close()
    watcher = LockHolder(api.database._url)
    # The server notices the end of a connection a moment later.
    await until(lambda: watcher.is_free(name), what="the dead process's lock")
    await watcher.close()
    assert await service.once(principal, key, "action", {}, call) == {"value": 3}


async def test_an_answer_kept_with_its_change_outlives_a_crash(api: Api) -> None:
    key, principal, service = new_key(), api.principal(Role.ADMIN), api.services.idempotency

    async def dies_after_the_commit() -> dict[str, Any]:
        async with api.database.tx() as tx:
            await settle(tx, {"value": 4})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await service.once(principal, key, "action", {}, dies_after_the_commit)
    assert await service.once(principal, key, "action", {}, dies_after_the_commit) == {"value": 4}


async def test_a_key_is_forgotten_after_a_day(api: Api) -> None:
    key = new_key()
    first = await api.ask(CREATE, {"input": machine(), "key": key})
    await api.database.execute_raw(
        "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = $1", key
    )
    assert await api.ask(CREATE, {"input": machine("other"), "key": key}) != first


@pytest.mark.parametrize(
    ("mutation", "field"),
    [
        ("powerOn(id: $id, idempotencyKey: $key) { success message }", "powerOn"),
        ('executeCommand(id: $id, command: "ls", idempotencyKey: $key) { success message response }', "executeCommand"),
        ("setAutostart(id: $id, enabled: true, idempotencyKey: $key) { id name }", "setAutostart"),
        ("createDepartment(name: $name, idempotencyKey: $key) { id name createdAt totalMachines }", "createDepartment"),
        ("revokeSessions(userId: $id, idempotencyKey: $key)", "revokeSessions"),
    ],
)
async def test_each_kind_of_answer_is_given_again(api: Api, mutation: str, field: str) -> None:
    made = (await api.ask(CREATE, {"input": machine()}))["createMachine"]["id"]
    subject = api.users[Role.USER].id if field == "revokeSessions" else made
    variables = {"id": subject, "key": new_key(), "name": f"Department {uuid4()}"}
    declared = "($id: String!, $key: String" if "$name" not in mutation else "($name: String!, $key: String"
    if field == "revokeSessions":
        declared = declared.replace("String!", "ID!")
    query = f"mutation {declared}) {{ {mutation} }}"
    first = await api.ask(query, variables)
    assert await api.ask(query, variables) == first
    if field == "revokeSessions":
        result = await api.services.auth.login("user@example.com", "correct horse")
        api.tokens[Role.USER] = result.token


async def test_a_machine_that_is_gone_can_not_be_answered_again(api: Api) -> None:
    key = new_key()
    made = (await api.ask(CREATE, {"input": machine(), "key": key}))["createMachine"]["id"]
    del api.machines.known[made]
    error = await api.refusal(CREATE, {"input": machine(), "key": key})
    assert (error["code"], error["message"]) == ("NOT_FOUND", "The machine of the first answer is gone")


async def test_nothing_secret_is_kept(api: Api) -> None:
    key = new_key()
    await api.ask(CREATE, {"input": machine(), "key": key})
    row = await kept(api, Role.SUPER_ADMIN, key)
    assert row is not None
    assert "secret" not in row.model_dump_json()


async def audited(api: Api, action: str) -> rows.AuditEntry:
    found = await api.database.auditentry.find_first(where={"action": action}, order={"id": "desc"})
    assert found is not None
    return found


async def test_a_mutation_leaves_who_what_and_with_which_result(api: Api) -> None:
    made = (await api.ask(CREATE, {"input": machine("audited <m>")}))["createMachine"]["id"]
    entry = await audited(api, "createMachine")
    assert (entry.actorId, entry.machineId, entry.result) == (api.users[Role.SUPER_ADMIN].id, made, "ok")
    assert entry.arguments["input"] == {
        "name": "audited <m>",
        "os": "UBUNTU",
        "username": "u",
        "password": "***",
        "productKey": "***",
        "departmentId": "",
        "pciBus": None,
        "applications": [],
        "firstBootScripts": [],
    }


@pytest.mark.parametrize(
    ("query", "role", "result"),
    [
        ('mutation { powerOn(id: "00000000-0000-0000-0000-000000000001") { success } }', Role.USER, "refused"),
        ('mutation { powerOn(id: "\\u0000") { success } }', Role.USER, "BAD_USER_INPUT"),
        ('mutation { moveMachine(id: "x", departmentId: "y") { id } }', Role.USER, "FORBIDDEN"),
        ('mutation { cancelOperation(id: "x") { id } }', Role.ADMIN, "NOT_FOUND"),
        ('mutation { login(email: "nobody@example.com", password: "secret-9") { token } }', None, "UNAUTHENTICATED"),
    ],
)
async def test_a_mutation_that_comes_to_nothing_is_kept_too(
    api: Api, query: str, role: Role | None, result: str
) -> None:
    await api.post(query, role=role)
    entry = await audited(api, query.split("{ ")[1].split("(", maxsplit=1)[0])
    assert entry.result == result
    assert entry.actorId == (api.users[role].id if role else None)
    assert "secret-9" not in str(entry.arguments)


async def test_anonymous_callers_can_not_fill_the_trail(api: Api) -> None:
    before = await api.database.auditentry.count()
    await api.post('mutation { powerOn(id: "x") { success } }', role=None)
    wrong = 'login(email: "\\u0000", password: "x") { token }'
    await api.post("mutation { " + " ".join(f"a{n}: {wrong}" for n in range(30)) + " }", role=None)
    assert await api.database.auditentry.count() == before


async def test_a_login_that_is_hung_up_on_leaves_no_entry(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    comparing = asyncio.Event()

    async def endless(*_: Any, **__: Any) -> bool:
        comparing.set()
        return await asyncio.Event().wait()

    monkeypatch.setattr(Passwords, "matches", endless)
    before = await api.database.auditentry.count()
    login = api.post(f'mutation {{ login(email: "{uuid4()}@example.com", password: "x") {{ token }} }}', role=None)
    calling = asyncio.create_task(login)
    await comparing.wait()
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    assert await api.database.auditentry.count() == before


@pytest.mark.parametrize(
    "command",
    [
        {f"key {n}": "x" for n in range(999)},
        {f"key {n}": {f"key {m}": "x" * 200 for m in range(60)} for n in range(60)},
        {"ubuntu": ["x" * 500] * 900},
        {"\U0001f600" * 300: '"\\' * 500, **{f"{n}" * 300: None for n in range(100)}},
    ],
    ids=["keys", "keys in keys", "items", "long keys"],
)
async def test_an_entry_is_short_and_says_where_it_was_cut(api: Api, command: Any) -> None:
    query = "mutation ($input: CreateApplicationInputType!) { createApplication(input: $input) { id } }"
    application = {"name": "short", "description": "d", "os": ["ubuntu"], "installCommand": command}
    assert (await api.refusal(query, {"input": application}, Role.USER))["code"] == "FORBIDDEN"
    entry = await audited(api, "createApplication")
    size = await api.database.query_raw(
        "SELECT octet_length(arguments::text) AS bytes FROM audit_entries WHERE id = $1::bigint", str(entry.id)
    )
    assert size[0]["bytes"] < 17_000
    assert "…" in str(entry.arguments)
    assert "short" in str(entry.arguments)

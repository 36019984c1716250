"""Logging in and out, and what tokens are worth."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import bcrypt
import jwt
import pytest
from argon2 import PasswordHasher

from infinibay.core.access import Role
from infinibay.db import rows, users
from infinibay.errors import Unauthenticated
from infinibay.services.passwords import Passwords
from tests.support.api import KEY, PASSWORD, Api, auth_service, quick_passwords

LOGIN = """mutation ($email: String!, $password: String!) { login(email: $email, password: $password) {
  token user { id email role namespace firstName } } }"""


async def new_user(api: Api, role: Role = Role.USER) -> rows.User:
    email = f"{uuid4()}@Example.com"
    return await api.accounts.create_user(email, PASSWORD, first_name="A", last_name="B", role=role)


async def me(api: Api, authorization: str) -> dict[str, Any]:
    """The answer to currentUser with this header: its user or its error."""
    headers = {"authorization": authorization.encode("latin-1")}
    answer = (await api.post("{ currentUser { id } }", role=None, headers=headers)).json()
    if "errors" in answer:
        (error,) = answer["errors"]
        return {"code": error["extensions"]["code"], "message": error["message"]}
    user: dict[str, Any] = answer["data"]["currentUser"]
    return user


async def token_for(api: Api, user: rows.User) -> str:
    return (await api.services.auth.login(user.email, PASSWORD)).token


def signed(claims: dict[str, Any], key: bytes = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


async def test_a_login_gives_a_token_for_its_user(api: Api) -> None:
    user = await new_user(api)
    answer = (await api.ask(LOGIN, {"email": user.email, "password": PASSWORD}, None))["login"]
    assert answer["user"] == {
        "id": user.id,
        "email": user.email,
        "role": "USER",
        "namespace": f"user_{user.id[:8]}",
        "firstName": "A",
    }
    claims = jwt.decode(answer["token"], KEY, algorithms=["HS256"])
    assert (claims["userId"], claims["userRole"]) == (user.id, "USER")
    assert claims["exp"] - claims["iat"] == 3600
    for header in (answer["token"], f"Bearer {answer['token']}", f"bEARER  {answer['token']} "):
        assert await me(api, header) == {"id": user.id}


async def test_an_address_is_compared_without_case_and_blanks(api: Api) -> None:
    user = await new_user(api)
    answer = await api.ask(LOGIN, {"email": f" {user.email.upper()} ", "password": PASSWORD}, None)
    assert answer["login"]["user"]["id"] == user.id


async def test_a_wrong_password_and_an_unknown_address_look_the_same(api: Api) -> None:
    user = await new_user(api)
    wrong = await api.refusal(LOGIN, {"email": user.email, "password": "wrong password"}, None)
    unknown = await api.refusal(LOGIN, {"email": "nobody@example.com", "password": PASSWORD}, None)
    assert wrong == unknown == {"message": "Invalid credentials", "code": "UNAUTHENTICATED"}


class CountingHasher(PasswordHasher):
    """Counts the hashes that are computed."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.computed: list[str] = []

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.computed.append("hash")
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.computed.append("verify")
        return super().verify(hash, password)


async def test_whoever_can_not_log_in_costs_one_hash(api: Api) -> None:
    """Nobody learns from the time that an answer takes whether an address belongs to somebody."""
    known, deleted = await new_user(api), await new_user(api)
    await api.database.user.update(where={"id": deleted.id}, data={"deletedAt": datetime.now(UTC)})
    hasher = CountingHasher()
    passwords = Passwords(hasher)
    auth = auth_service(api.database, passwords)
    costs = {}
    for email, password in (
        (known.email, "wrong password"),
        (deleted.email, PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("no address", ""),
    ):
        hasher.computed.clear()
        with pytest.raises(Unauthenticated, match="Invalid credentials"):
            await auth.login(email, password)
        costs[email] = hasher.computed[:]
    assert list(costs.values()) == [["verify"]] * 4
    passwords.close()


async def test_a_deleted_user_can_neither_log_in_nor_go_on(api: Api) -> None:
    user = await new_user(api)
    token = await token_for(api, user)
    await api.database.user.update(where={"id": user.id}, data={"deletedAt": datetime.now(UTC)})
    assert await me(api, token) == {"code": "UNAUTHENTICATED", "message": "The session has ended; log in again"}
    error = await api.refusal(LOGIN, {"email": user.email, "password": PASSWORD}, None)
    assert error["message"] == "Invalid credentials"


async def test_a_change_of_role_ends_the_sessions(api: Api) -> None:
    user = await new_user(api)
    token = await token_for(api, user)
    await api.database.user.update(where={"id": user.id}, data={"role": rows.UserRole.ADMIN})
    assert (await me(api, token))["code"] == "UNAUTHENTICATED"


async def test_a_change_of_password_ends_the_sessions(api: Api) -> None:
    user = await new_user(api)
    token = await token_for(api, user)
    assert await api.accounts.set_password(user.email, "another password") == 1
    assert (await me(api, token))["code"] == "UNAUTHENTICATED"
    answer = await api.ask(LOGIN, {"email": user.email, "password": "another password"}, None)
    assert answer["login"]["user"]["id"] == user.id


async def test_logging_out_ends_this_session_alone(api: Api) -> None:
    user = await new_user(api)
    first, second = await token_for(api, user), await token_for(api, user)
    answer = await api.post("mutation { logout }", role=None, headers={"authorization": first})
    assert answer.json() == {"data": {"logout": True}}
    assert await me(api, first) == {"code": "UNAUTHENTICATED", "message": "The session has ended; log in again"}
    assert await me(api, second) == {"id": user.id}


REVOKE = "mutation ($id: ID!) { revokeSessions(userId: $id) }"


async def test_sessions_are_revoked_by_their_user_or_an_administrator(api: Api) -> None:
    user = await new_user(api)
    tokens = [await token_for(api, user) for _ in range(3)]
    answer = await api.post(REVOKE, {"id": user.id}, None, {"authorization": tokens[0]})
    assert answer.json() == {"data": {"revokeSessions": 3}}
    assert (await me(api, tokens[2]))["code"] == "UNAUTHENTICATED"
    await token_for(api, user)
    assert await api.ask(REVOKE, {"id": user.id}, Role.ADMIN) == {"revokeSessions": 1}


async def test_an_administrator_does_not_reach_above_the_own_rank(api: Api) -> None:
    above = await new_user(api, Role.SUPER_ADMIN)
    token = await token_for(api, above)
    assert (await api.refusal(REVOKE, {"id": above.id}, Role.ADMIN))["code"] == "FORBIDDEN"
    assert await me(api, token) == {"id": above.id}
    missing = await api.refusal(REVOKE, {"id": str(uuid4())}, Role.ADMIN)
    assert (missing["code"], missing["message"]) == ("NOT_FOUND", "User not found")


async def test_an_expired_session_says_so(api: Api) -> None:
    user = await new_user(api)
    short = auth_service(api.database, quick_passwords(), lifetime=timedelta(seconds=-1))
    token = (await short.login(user.email, PASSWORD)).token
    assert await me(api, token) == {"code": "UNAUTHENTICATED", "message": "The session has expired; log in again"}


async def test_a_forged_token_is_worth_nothing(api: Api) -> None:
    user = await new_user(api)
    claims = jwt.decode(await token_for(api, user), KEY, algorithms=["HS256"])
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    forged = {
        "another key": signed(claims, b"x" * 32),
        "another algorithm": signed(claims, KEY + KEY, "HS512"),
        "no algorithm": f"{header}.{body}.",
        "another role": signed({**claims, "userRole": "SUPER_ADMIN"}),
        "another user": signed({**claims, "userId": api.users[Role.SUPER_ADMIN].id}),
        "another session": signed({**claims, "sid": str(uuid4())}),
        "no session": signed({**claims, "sid": "' OR 1=1"}),
        "a number for a session": signed({**claims, "sid": 5}),
        "no end": signed({name: value for name, value in claims.items() if name != "exp"}),
        "nonsense": "nonsense",
        "letters of another alphabet": "Bearer ÿþ",
        "very long": "x" * 10_000,
    }
    believed = {name: answer for name, token in forged.items() if "code" not in (answer := await me(api, token))}
    assert believed == {}
    assert (await me(api, signed(claims)))["id"] == user.id  # The genuine claims do work.


async def test_an_anonymous_caller_is_told_to_log_in(api: Api) -> None:
    error = await api.refusal("{ machines { id } }", role=None)
    assert error == {"message": "You must log in to do this.", "code": "UNAUTHENTICATED"}
    assert await me(api, "Bearer") == {"message": "You must log in to do this.", "code": "UNAUTHENTICATED"}


async def test_a_wrong_token_does_not_keep_anybody_from_logging_in(api: Api) -> None:
    user = await new_user(api)
    answer = await api.post(LOGIN, {"email": user.email, "password": PASSWORD}, None, {"authorization": "nonsense"})
    assert answer.json()["data"]["login"]["user"]["id"] == user.id


async def test_a_bcrypt_hash_verifies_and_is_renewed(api: Api) -> None:
    user = await new_user(api)
    long_password = "p" * 100  # bcrypt looks at 72 bytes; hashes of longer passwords exist.
    old = bcrypt.hashpw(long_password.encode()[:72], bcrypt.gensalt(4)).decode()
    await users.set_password_hash(api.database, user.id, old)
    await api.ask(LOGIN, {"email": user.email, "password": long_password}, None)
    row = await users.find(api.database, user.id)
    assert row is not None
    assert row.passwordHash.startswith("$argon2id$")
    await api.ask(LOGIN, {"email": user.email, "password": long_password}, None)
    assert (await api.refusal(LOGIN, {"email": user.email, "password": "p" * 99}, None))["code"] == "UNAUTHENTICATED"

"""Users through the API: who may change whom, what is checked, and what ends with a password or a role."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from infinibay.core.access import Principal, Role
from infinibay.db import rows, users
from infinibay.errors import Conflict, Forbidden, InfinibayError, TooManyRequests, Unauthenticated
from infinibay.services.throttle import PAIR_LIMIT
from infinibay.services.users import UserChanges
from tests.support.api import PASSWORD, Api

FIELDS = "id email firstName lastName role avatar namespace createdAt"
CREATE = f"mutation ($input: CreateUserInputType!) {{ createUser(input: $input) {{ {FIELDS} }} }}"
UPDATE = (
    f"mutation ($id: String!, $input: UpdateUserInputType!) {{ updateUser(id: $id, input: $input) {{ {FIELDS} }} }}"
)
ONE = f"query ($id: String!) {{ user(id: $id) {{ {FIELDS} }} }}"
LIST = """query ($pagination: PaginationInputType, $orderBy: UserOrderByInputType) {
  users(pagination: $pagination, orderBy: $orderBy) { id email } }"""
ME = "{ currentUser { id firstName } }"
LOGIN = "mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { token } }"
NEW = "another password"


def person(**changes: Any) -> dict[str, Any]:
    return {
        "email": f"{uuid4()}@Example.com",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "password": PASSWORD,
        "passwordConfirmation": PASSWORD,
        "role": "USER",
        **changes,
    }


class Caller:
    """A user of the test's own, who has logged in."""

    def __init__(self, api: Api, row: rows.User) -> None:
        self.api = api
        self.id, self.email, self.role = row.id, row.email, Role(row.role)
        self.token = ""

    async def login(self, password: str = PASSWORD) -> str:
        self.token = (await self.api.services.auth.login(self.email, password)).token
        return self.token

    async def post(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None) -> Any:
        """The data, or the one error with its extensions."""
        sent = {"authorization": self.token if token is None else token}
        answer = (await self.api.post(query, variables, None, sent)).json()
        if "errors" in answer:
            (error,) = answer["errors"]
            return {"message": error["message"], **error["extensions"]}
        return answer["data"]

    async def update(self, target: str, **changes: Any) -> Any:
        answer = await self.post(UPDATE, {"id": target, "input": changes})
        return answer.get("updateUser", answer)

    @property
    def principal(self) -> Principal:
        return Principal(self.id, self.role, "")


async def join(api: Api, role: Role = Role.USER) -> Caller:
    row = await api.accounts.create_user(f"{uuid4()}@example.com", PASSWORD, first_name="A", last_name="B", role=role)
    caller = Caller(api, row)
    await caller.login()
    return caller


async def test_an_administrator_makes_and_reads_users(api: Api) -> None:
    wanted = person(firstName="  Ada ", avatar="ada.png")
    made = (await api.ask(CREATE, {"input": wanted}, Role.ADMIN))["createUser"]
    assert made == {
        "id": made["id"],
        "email": wanted["email"],
        "firstName": "Ada",
        "lastName": "Lovelace",
        "role": "USER",
        "avatar": "ada.png",
        "namespace": f"user_{made['id'][:8]}",
        "createdAt": made["createdAt"],
    }
    assert (await api.ask(ONE, {"id": made["id"].upper()}, Role.ADMIN))["user"] == made
    assert made["id"] in {one["id"] for one in (await api.ask(LIST, role=Role.ADMIN))["users"]}
    await api.services.auth.login(wanted["email"].upper(), PASSWORD)


async def test_every_wrong_field_of_a_new_user_is_named_at_once(api: Api) -> None:
    wrong = person(email="nobody", firstName=" ", lastName="x" * 101, password="short", avatar="a" * 2049)
    error = await api.refusal(CREATE, {"input": wrong})
    assert error["code"] == "BAD_USER_INPUT"
    assert [field["field"] for field in error["fields"]] == [
        "email",
        "password",
        "firstName",
        "lastName",
        "avatar",
        "passwordConfirmation",
    ]
    mismatch = await api.refusal(CREATE, {"input": person(passwordConfirmation="another one")})
    assert mismatch["message"] == "Password and password confirmation do not match"


async def test_an_address_is_taken_whatever_its_case(api: Api) -> None:
    wanted = person()
    await api.ask(CREATE, {"input": wanted})
    error = await api.refusal(CREATE, {"input": {**wanted, "email": f" {wanted['email'].upper()} "}})
    assert (error["code"], error["message"], error["fields"][0]["field"]) == (
        "CONFLICT",
        "User already exists",
        "email",
    )


@pytest.mark.parametrize("user_id", [str(uuid4()), "", "nothing", "' OR 1=1 --"])
async def test_an_absent_user_is_not_found(api: Api, user_id: str) -> None:
    for query, variables in ((ONE, {"id": user_id}), (UPDATE, {"id": user_id, "input": {"firstName": "X"}})):
        error = await api.refusal(query, variables)
        assert (error["code"], error["message"]) == ("NOT_FOUND", "User not found")


async def test_a_deleted_user_is_gone(api: Api) -> None:
    gone = await join(api)
    await api.database.execute_raw("UPDATE users SET deleted_at = now() WHERE id = $1::uuid", gone.id)
    assert (await api.refusal(ONE, {"id": gone.id}))["code"] == "NOT_FOUND"
    assert (await api.refusal(UPDATE, {"id": gone.id, "input": {"lastName": "X"}}))["code"] == "NOT_FOUND"
    assert gone.id not in {one["id"] for one in (await api.ask(LIST))["users"]}


async def test_users_come_ordered_and_in_pages(api: Api) -> None:
    everybody = (await api.ask(LIST, {"orderBy": {"fieldName": "EMAIL", "direction": "ASC"}}))["users"]
    assert [one["email"].casefold() for one in everybody] == sorted(one["email"].casefold() for one in everybody)
    pages = []
    for skip in range(0, len(everybody) + 2, 2):
        window = {"pagination": {"take": 2, "skip": skip}, "orderBy": {"fieldName": "ROLE"}}
        pages += [one["id"] for one in (await api.ask(LIST, window))["users"]]
    assert sorted(pages) == sorted(one["id"] for one in everybody)
    assert len((await api.ask(LIST, {"pagination": {}}))["users"]) <= 20
    for field in ("ID", "FIRST_NAME", "LAST_NAME", "CREATED_AT", "UPDATED_AT"):
        assert len((await api.ask(LIST, {"orderBy": {"fieldName": field}}))["users"]) == len(everybody)
    error = await api.refusal(LIST, {"pagination": {"take": -1}})
    assert error["fields"][0]["field"] == "pagination.take"


async def test_everybody_changes_the_own_profile(api: Api) -> None:
    user = await join(api)
    changed = await user.update(user.id, firstName=" Grace ", lastName="Hopper", avatar="g.png", role="USER")
    assert (changed["firstName"], changed["lastName"], changed["avatar"]) == ("Grace", "Hopper", "g.png")
    assert (await user.update(user.id, firstName="Ada"))["avatar"] == "g.png"
    assert (await user.update(user.id, firstName=None, avatar=None)) == {**changed, "firstName": "Ada", "avatar": None}
    assert (await user.post(ME))["currentUser"] == {"id": user.id, "firstName": "Ada"}  # It ended no session.
    wrong = await user.update(user.id, firstName="", lastName="a\nb", avatar="\t")
    assert [field["field"] for field in wrong["fields"]] == ["firstName", "lastName", "avatar"]


async def test_nobody_learns_or_changes_anything_of_others(api: Api) -> None:
    user, other = await join(api), await join(api)
    for target in (other.id, api.users[Role.ADMIN].id, str(uuid4()), "nothing"):
        error = await user.update(target, firstName="Mallory")
        assert error == {"message": "Your role does not allow this.", "code": "FORBIDDEN"}
    assert (await user.post(CREATE, {"input": person()}))["code"] == "FORBIDDEN"
    assert (await user.post(LIST))["code"] == "FORBIDDEN"
    assert (await user.post(ONE, {"id": user.id}))["code"] == "FORBIDDEN"


ATTEMPTS = [
    # Who, whom ("self" or a role), what, and the code of the refusal.
    (Role.USER, "self", {"role": "ADMIN"}, "FORBIDDEN"),
    (Role.USER, "self", {"role": "SUPER_ADMIN"}, "FORBIDDEN"),
    (Role.ADMIN, "self", {"role": "SUPER_ADMIN"}, "FORBIDDEN"),
    (Role.ADMIN, "self", {"role": "USER"}, "FORBIDDEN"),
    (Role.SUPER_ADMIN, "self", {"role": "ADMIN"}, "FORBIDDEN"),
    (Role.ADMIN, Role.USER, {"role": "SUPER_ADMIN"}, "FORBIDDEN"),
    (Role.ADMIN, Role.ADMIN, {"role": "SUPER_ADMIN"}, "FORBIDDEN"),
    (Role.ADMIN, Role.SUPER_ADMIN, {"role": "USER"}, "FORBIDDEN"),
    (Role.ADMIN, Role.SUPER_ADMIN, {"firstName": "Mallory"}, "FORBIDDEN"),
    (Role.ADMIN, Role.SUPER_ADMIN, {"password": NEW, "passwordConfirmation": NEW}, "FORBIDDEN"),
    (Role.ADMIN, Role.SUPER_ADMIN, {}, "FORBIDDEN"),
]


@pytest.mark.parametrize(("who", "whom", "what", "code"), ATTEMPTS)
async def test_nobody_climbs(api: Api, who: Role, whom: Role | str, what: dict[str, Any], code: str) -> None:
    caller = await join(api, who)
    target = caller if whom == "self" else await join(api, Role(whom))
    before = await users.find(api.database, target.id)
    assert (await caller.update(target.id, **what))["code"] == code
    assert await users.find(api.database, target.id) == before
    assert (await target.post(ME))["currentUser"]["id"] == target.id


@pytest.mark.parametrize(("who", "whom"), [(Role.ADMIN, "SUPER_ADMIN"), (Role.USER, "USER"), (Role.USER, "ADMIN")])
async def test_nobody_makes_a_user_above_the_own_rank(api: Api, who: Role, whom: str) -> None:
    wanted = person(role=whom)
    error = await (await join(api, who)).post(CREATE, {"input": wanted})
    assert error["code"] == "FORBIDDEN"
    assert await users.find_by_email_key(api.database, wanted["email"].casefold()) is None


@pytest.mark.parametrize(("who", "whom"), [(Role.ADMIN, "ADMIN"), (Role.SUPER_ADMIN, "SUPER_ADMIN")])
async def test_administrators_make_users_up_to_their_rank(api: Api, who: Role, whom: str) -> None:
    made = await (await join(api, who)).post(CREATE, {"input": person(role=whom)})
    assert made["createUser"]["role"] == whom


async def test_a_new_role_ends_the_sessions_and_counts_from_the_next_login(api: Api) -> None:
    admin, user = await join(api, Role.ADMIN), await join(api)
    second = user.token
    await user.login()
    assert (await admin.update(user.id, role="ADMIN"))["role"] == "ADMIN"
    for token in (second, user.token):
        ended = await user.post(ME, token=token)
        assert ended == {"message": "The session has ended; log in again", "code": "UNAUTHENTICATED"}
    await user.login()
    assert len((await user.post(LIST))["users"]) > 1
    assert (await admin.update(user.id, role="USER"))["role"] == "USER"
    assert (await user.post(LIST))["code"] == "UNAUTHENTICATED"


async def test_a_new_own_password_needs_the_present_one_and_ends_all_sessions(api: Api) -> None:
    user = await join(api)
    elsewhere, here = user.token, await user.login()
    twice = {"password": NEW, "passwordConfirmation": NEW}
    missing = await user.update(user.id, **twice)
    assert (missing["code"], missing["fields"][0]["field"]) == ("BAD_USER_INPUT", "currentPassword")
    wrong = await user.update(user.id, **twice, currentPassword="wrong password")
    assert (wrong["code"], wrong["message"]) == ("BAD_USER_INPUT", "Current password is incorrect")
    for confirmation in (None, "another"):
        answer = await user.update(user.id, password=NEW, passwordConfirmation=confirmation, currentPassword=PASSWORD)
        assert answer["message"] == "Password and password confirmation do not match"
    assert (await user.post(ME))["currentUser"]["id"] == user.id

    assert (await user.update(user.id, **twice, currentPassword=PASSWORD))["id"] == user.id

    for token in (elsewhere, here):
        assert (await user.post(ME, token=token))["code"] == "UNAUTHENTICATED"
    with pytest.raises(Unauthenticated):
        await user.login(PASSWORD)
    await user.login(NEW)


async def test_an_administrator_gives_a_new_password_without_the_present_one(api: Api) -> None:
    admin, user = await join(api, Role.ADMIN), await join(api)
    short = await admin.update(user.id, password="short", passwordConfirmation="short")
    assert short["fields"][0]["field"] == "password"
    assert (await admin.update(user.id, password=NEW, passwordConfirmation=NEW))["id"] == user.id
    assert (await user.post(ME))["code"] == "UNAUTHENTICATED"
    await user.login(NEW)
    own = await admin.update(admin.id, password=NEW, passwordConfirmation=NEW)
    assert own["fields"][0]["field"] == "currentPassword"


async def test_the_present_password_is_not_guessed_with_a_stolen_token(api: Api) -> None:
    user = await join(api)
    changes = UserChanges(password=NEW, confirmation=NEW, current_password="a guess")
    outcomes = await asyncio.gather(
        *(api.services.users.update(user.principal, user.id, changes, "192.0.2.7") for _ in range(25)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes].count(TooManyRequests) == 25 - PAIR_LIMIT
    await user.login()  # From another address.


async def test_two_super_admins_do_not_take_each_other_s_role(api: Api) -> None:
    """Whoever comes second is no SUPER_ADMIN any more; at last one remains."""
    first, second = await join(api, Role.SUPER_ADMIN), await join(api, Role.SUPER_ADMIN)
    for _ in range(3):
        outcomes = await asyncio.gather(
            *(
                api.services.users.update(who.principal, whom.id, UserChanges(role=Role.USER), "")
                for who, whom in ((first, second), (second, first))
            ),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Forbidden", "User"]
        kept = [await users.find(api.database, one.id) for one in (first, second)]
        assert sorted(str(row and row.role) for row in kept) == ["SUPER_ADMIN", "USER"]
        await api.database.user.update_many(
            where={"id": {"in": [first.id, second.id]}}, data={"role": rows.UserRole.SUPER_ADMIN}
        )


async def test_many_super_admins_at_once_leave_one(api: Api) -> None:
    """Each takes the role of the next one, all at the same moment; nobody else has it meanwhile."""
    others = [row.id for row in await api.database.user.find_many(where={"role": rows.UserRole.SUPER_ADMIN})]
    await api.database.user.update_many(where={"id": {"in": others}}, data={"role": rows.UserRole.ADMIN})
    try:
        ring = [await join(api, Role.SUPER_ADMIN) for _ in range(5)]
        outcomes = await asyncio.gather(
            *(
                api.services.users.update(who.principal, whom.id, UserChanges(role=Role.ADMIN), "")
                for who, whom in zip(ring, [*ring[1:], ring[0]], strict=True)
            ),
            return_exceptions=True,
        )
        assert {type(one) for one in outcomes if isinstance(one, Exception)} <= {Forbidden, Conflict}
        assert await users.count_with_role(api.database, rows.UserRole.SUPER_ADMIN) >= 1
        # The last one, taken by somebody whose own role has just gone with the request still on its way.
        last = await api.database.user.find_first(where={"role": rows.UserRole.SUPER_ADMIN})
        assert last is not None
        late = next(one for one in ring if one.id != last.id)
        with pytest.raises(InfinibayError):
            await api.services.users.update(late.principal, last.id, UserChanges(role=Role.USER), "")
        assert await users.count_with_role(api.database, rows.UserRole.SUPER_ADMIN) >= 1
    finally:
        await api.database.user.update_many(where={"id": {"in": others}}, data={"role": rows.UserRole.SUPER_ADMIN})


async def test_a_role_that_went_with_the_request_on_its_way_gives_nothing(api: Api) -> None:
    admin, user = await join(api, Role.ADMIN), await join(api)
    stale = admin.principal
    await api.database.user.update(where={"id": admin.id}, data={"role": rows.UserRole.USER})
    for changes in (UserChanges(role=Role.ADMIN), UserChanges(password=NEW, confirmation=NEW), UserChanges(avatar="x")):
        with pytest.raises(Forbidden):
            await api.services.users.update(stale, user.id, changes, "")
    await api.database.execute_raw("UPDATE users SET deleted_at = now() WHERE id = $1::uuid", admin.id)
    with pytest.raises(Unauthenticated):
        await api.services.users.update(stale, user.id, UserChanges(role=Role.ADMIN), "")


async def test_a_change_is_an_event_that_the_user_and_administrators_read(api: Api) -> None:
    admin, user, other = await join(api, Role.ADMIN), await join(api), await join(api)
    await admin.update(user.id, firstName="Grace", password=NEW, passwordConfirmation=NEW)
    await user.login(NEW)
    events = "{ machineEvents(first: 1000) { kind actor data } }"
    seen = (await user.post(events))["machineEvents"]
    assert seen[-1] == {
        "kind": "user.updated",
        "actor": admin.id,
        "data": {"userId": user.id, "fields": ["firstName", "password"], "role": "USER"},
    }
    assert seen[0]["kind"] == "user.created"
    assert user.id not in json.dumps((await other.post(events))["machineEvents"])
    before = len(seen)
    await user.update(user.id, firstName="Grace")  # As it is.
    assert len((await user.post(events))["machineEvents"]) == before


async def test_no_password_or_hash_leaves_the_server(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    admin, secret = await join(api, Role.ADMIN), f"planted {uuid4()}"
    wanted = person(password=secret, passwordConfirmation=secret)
    answers = [
        await admin.post(CREATE, {"input": wanted}),
        await admin.post(CREATE, {"input": wanted}),
        await admin.post(CREATE, {"input": {**wanted, "email": secret}}),
        await admin.update(admin.id, password=secret, passwordConfirmation=secret, currentPassword=secret),
        await admin.update(admin.id, password=secret, passwordConfirmation=secret, currentPassword=PASSWORD),
        await admin.login(secret) and await admin.post("{ machineEvents(first: 1000) { kind data } }"),
    ]
    logged = capsys.readouterr()
    trail = await api.database.auditentry.find_many(order={"id": "desc"}, take=10)
    row = await users.find(api.database, admin.id)
    assert row is not None
    for text in (json.dumps(answers), logged.out, logged.err, *(entry.model_dump_json() for entry in trail)):
        assert secret not in text
        assert "$argon2" not in text
    entry = next(one for one in trail if one.action == "createUser" and one.result == "ok")
    assert entry.arguments["input"] == {
        **{name: wanted[name] for name in ("email", "firstName", "lastName", "role")},
        "password": "***",
        "passwordConfirmation": "***",
    }


async def test_the_first_administrator_s_password_file_goes_with_the_password(api: Api) -> None:
    admin = await join(api, Role.SUPER_ADMIN)
    file = api.accounts._first_admin_file
    file.write_text(f"{admin.email}\n{PASSWORD}\n")
    await admin.update(admin.id, firstName="Grace")
    assert file.exists()
    await admin.update(admin.id, password=NEW, passwordConfirmation=NEW, currentPassword=PASSWORD)
    assert not file.exists()

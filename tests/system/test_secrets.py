"""Planted secrets: after successes and failures each is in no log, row, file, answer, figure or command line, unless it
is sealed there."""

from __future__ import annotations

import asyncio
import base64
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from infinibay.db.embedded import EmbeddedPostgres
from tests.support.databases import settings_below
from tests.support.guest_iso import build_guest_iso
from tests.support.iso_layouts import windows10_iso
from tests.support.product import CREATE, EMAIL, LOGIN, Product

# Twelve bytes, so that Base64 writes them alike before whatever follows.
MARK = "planted-7f3a"
GIVEN = {
    "administrator's password": f"{MARK} admin",
    "guest's password": f"{MARK} guest",
    "password of a retry": f"{MARK} retry",
    "password of a refused machine": f"{MARK} refused",
    "password of a wrong type": f"{MARK} typed",
    "wrong password": f"{MARK} wrong",
    "new user's password": f"{MARK} user",
    "refused user's password": f"{MARK} refused user",
    "password given by an administrator": f"{MARK} given",
    "own new password": f"{MARK} own",
    "wrong present password": f"{MARK} present",
    "product key": "PLNTD-7F3A0-GUEST-KEY00-99999",
    "refused product key": f"{MARK} key",
    "signing key": f"{MARK} signing key of tokens",
    "refused token": f"{MARK}.refused.token",
    "refused token of the figures": f"{MARK}.refused.figures",
}
RETRY = """mutation R($id: String!, $password: String) { retryMachine(id: $id, password: $password) {
  operation { id } } }"""
GRAPHICS = "query G($id: String!) { graphicConnection(id: $id) { password } }"
PLAN = "query P($input: CreateMachineInputType!) { planMachine(input: $input) { valid xml problems { message } } }"
USER = (
    "mutation U($input: CreateUserInputType!, $key: String) { createUser(input: $input, idempotencyKey: $key) { id } }"
)
CHANGE = "mutation V($id: String!, $input: UpdateUserInputType!) { updateUser(id: $id, input: $input) { id email } }"
_TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"


class Run:
    """What was planted, and everything that left the server."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.secrets = dict(GIVEN)
        self.answers: list[str] = []
        self.command_lines: set[bytes] = set()
        self.machines: list[str] = []
        self.rows: dict[str, str] = {}
        self.figures = ""
        self.seed_mode = 0o777

    async def noted(self, answer: httpx.Response) -> None:
        """Keeps an answer; those that are asked for a secret have it taken out first."""
        self.answers.append((await answer.aread()).decode())

    def planted(self, text: str) -> list[str]:
        return [name for name, secret in self.secrets.items() if secret in text]


@contextmanager
def _command_lines(into: set[bytes]) -> Iterator[None]:
    """Notes the command lines of all processes, over and over."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    into.add(place.read_bytes())
                except OSError:
                    continue  # It has ended meanwhile.

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _input(**changes: Any) -> dict[str, Any]:
    sizes = {"customCores": 1, "customRam": 1, "customStorage": 1}
    return {"name": "secretive", "os": "UBUNTU", "username": "user", "password": "", **sizes, **changes}


async def _live(run: Run) -> None:
    """Successes and failures with every secret among their input."""
    product = run.product
    token = await product.login(EMAIL, GIVEN["administrator's password"])
    run.secrets["token"], product._token = token, token
    assert product._client is not None
    product._client.event_hooks["response"] = [run.noted]

    # There can be no pool where a file is, so this creation fails and is tried again.
    (product.base / "disks").write_text("in the way")
    created = await product.create("secretive", "key-1", password=GIVEN["guest's password"], mediaMode="SEED")
    assert (await product.ended(created["operation"]["id"]))["state"] == "FAILED"
    other = _input(password=GIVEN["password of a refused machine"])
    await _refused(run, CREATE, {"input": other, "key": "key-1"})
    (product.base / "disks").unlink()
    again = await product.ask(RETRY, {"id": created["id"], "password": GIVEN["password of a retry"]})
    assert (await product.ended(again["retryMachine"]["operation"]["id"]))["state"] == "SUCCEEDED"

    windows = _input(name="windows", os="WINDOWS10", password=GIVEN["guest's password"], customRam=2, customStorage=32)
    wanted = {**windows, "productKey": GIVEN["product key"], "mediaMode": "MANUAL"}
    planned = (await product.ask(PLAN, {"input": wanted}))["planMachine"]
    assert (planned["valid"], "passwd" in planned["xml"]) == (True, True)
    licensed = (await product.ask(CREATE, {"input": wanted}))["createMachine"]
    assert (await product.ended(licensed["operation"]["id"]))["state"] == "SUCCEEDED"
    run.machines = [created["id"], licensed["id"]]

    await _refused(run, CREATE, {"input": other})  # The name is taken.
    await _refused(run, CREATE, {"input": {**other, "username": "no user"}})
    await _refused(run, CREATE, {"input": {**windows, "productKey": GIVEN["refused product key"]}})
    await _refused(run, CREATE, {"input": {**other, "os": "NONE"}})
    await _refused(run, CREATE, {"input": {**other, "password": [GIVEN["password of a wrong type"]]}})
    await _refused(run, CREATE, {"input": {"password": GIVEN["password of a refused machine"]}})
    await _refused(run, LOGIN, {"email": EMAIL, "password": GIVEN["wrong password"]})
    await _refused(run, LOGIN, {"email": GIVEN["wrong password"], "password": GIVEN["wrong password"]})
    await _refused(run, "{ machines { id } }", {}, GIVEN["refused token"])
    await product.machine(created["id"])
    await product.ask("{ machineEvents(first: 1000) { kind data } operations { items { id step kind } } }")
    assert (await product.verb("suspend", created["id"]))["success"]
    await _scraped(run)

    await _live_with_users(run)

    product._client.event_hooks["response"] = []
    for number, machine_id in enumerate(run.machines):
        told = (await product.ask(GRAPHICS, {"id": machine_id}))["graphicConnection"]["password"]
        run.secrets[f"graphics password {number}"] = told


def _twice(password: str, **changes: str) -> dict[str, str]:
    return {"password": password, "passwordConfirmation": password, **changes}


async def _live_with_users(run: Run) -> None:
    """A user who is made, gets another password from an administrator, and chooses one."""
    product, client = run.product, run.product._client
    assert client is not None
    person = {"email": "planted@example.com", "firstName": "A", "lastName": "B", "role": "USER"}
    made = await product.ask(USER, {"input": {**person, **_twice(GIVEN["new user's password"])}, "key": "key-2"})
    identity = made["createUser"]["id"]
    await _refused(run, USER, {"input": {**person, **_twice(GIVEN["refused user's password"])}})
    await _refused(run, USER, {"input": {**person, **_twice("x"), "email": GIVEN["refused user's password"]}})
    given = GIVEN["password given by an administrator"]
    await product.ask(CHANGE, {"id": identity, "input": _twice(given)})
    client.event_hooks["response"] = []  # A login's answer is the token.
    token = run.secrets["user's token"] = await product.login(person["email"], given)
    client.event_hooks["response"] = [run.noted]
    own = _twice(GIVEN["own new password"], currentPassword=GIVEN["wrong present password"])
    await _refused(run, CHANGE, {"id": identity, "input": own}, token)
    await product.ask(CHANGE, {"id": identity, "input": {**own, "currentPassword": given}}, token)
    await _refused(run, "{ currentUser { id } }", {}, token)
    await product.ask("{ machineEvents(first: 1000) { kind data } users { id email } }")


async def _scraped(run: Run) -> None:
    """The figures, and a refusal of them."""
    assert run.product._client is not None
    run.secrets["token of the figures"] = _figures_token(run).read_text().strip()
    for name, status in (("refused token of the figures", 401), ("token of the figures", 200)):
        headers = {"authorization": f"Bearer {run.secrets[name]}"}
        answer = await run.product._client.get("/metrics", headers=headers)
        assert answer.status_code == status
    run.figures = answer.text


def _figures_token(run: Run) -> Path:
    return run.product.base / "metrics-token"


async def _refused(run: Run, query: str, variables: dict[str, Any], token: str | None = None) -> None:
    answer = await run.product.post(query, variables, token)
    codes = {error["extensions"]["code"] for error in answer["errors"]}
    assert codes <= {"BAD_USER_INPUT", "CONFLICT", "UNAUTHENTICATED"}


async def _rows(product: Product) -> dict[str, str]:
    """All tables of all schemas as text."""
    settings = settings_below(product.base)
    url = EmbeddedPostgres.of(settings).url
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        names = await (await connection.execute(_TABLES)).fetchall()
        found = {}
        for schema, table in names:
            cursor = await connection.execute(f'SELECT t::text FROM "{schema}"."{table}" t'.encode())
            found[f"{schema}.{table}"] = "\n".join(str(row[0]) for row in await cursor.fetchall())
        return found


@pytest.fixture(scope="module")
async def run() -> AsyncIterator[Run]:
    """A whole run, after which the server has stopped."""
    product = Product(
        build_guest_iso(),
        DEFAULT_ADMIN_PASSWORD=GIVEN["administrator's password"],
        TOKENKEY=GIVEN["signing key"],
        INFINIBAY_LOG_LEVEL="DEBUG",
    )
    windows10_iso(product.base / "iso" / "windows10.iso")
    made = Run(product)
    try:
        with _command_lines(made.command_lines):
            await product.start()
            await _live(made)
        made.rows = await _rows(product)
        seed = product.base / "machines" / made.machines[0] / "seed.iso"
        made.seed_mode = stat.S_IMODE(seed.stat().st_mode)
        for machine_id in made.machines[1:]:
            assert (await product.verb("destroyMachine", machine_id))["success"]
        assert await product.stop() == 0
        yield made
    finally:
        await product.close()


def _needles(secrets: dict[str, str]) -> list[bytes]:
    """The secrets as they might lie in a file. The mark that most begin with stands for these in every form."""
    unmarked = {one for one in secrets.values() if not one.startswith(MARK)}
    texts = [MARK, GIVEN["product key"]]
    forms = [form for text in texts for form in (text.encode("utf-16-le"), text.encode().hex().encode())]
    return [*forms, base64.b64encode(MARK.encode()), *(text.encode() for text in (MARK, *unmarked))]


def _hidden(place: Path, needles: list[bytes]) -> list[str]:
    content = place.read_bytes()
    return [f"{needle!r} in {place}" for needle in needles if needle in content]


def test_the_run_had_everything_in_it(run: Run) -> None:
    assert len(run.secrets) == len(GIVEN) + 5
    assert len(run.answers) > 15
    assert {"public.operations", "public.audit_entries", "public.events", "public.secrets"} <= set(run.rows)
    assert len(run.rows["public.audit_entries"].splitlines()) > 10
    assert any(b"qemu-system" in line and run.machines[0].encode() in line for line in run.command_lines)


def test_no_row_holds_a_secret(run: Run) -> None:
    assert [(table, name) for table, text in run.rows.items() for name in run.planted(text)] == []


def test_no_answer_holds_a_secret(run: Run) -> None:
    assert [(name, answer) for answer in run.answers for name in run.planted(answer)] == []


def test_no_figure_holds_a_secret_or_a_name(run: Run) -> None:
    assert "infinibay_operation_duration_seconds_count" in run.figures
    names = ("secretive", "windows", EMAIL, *run.machines)
    assert (run.planted(run.figures), [name for name in names if name in run.figures]) == ([], [])


def test_no_command_line_holds_a_secret(run: Run) -> None:
    lines = [line.decode(errors="replace") for line in run.command_lines]
    assert [(name, line) for line in lines for name in run.planted(line)] == []


async def test_no_file_holds_a_secret(run: Run) -> None:
    """The database's own files and the logs are among them, and the hypervisor's logs beside."""
    logs = [Path(f"/var/log/libvirt/qemu/{machine_id}.log") for machine_id in run.machines]
    below = [place for place in run.product.base.rglob("*") if place.is_file() and place.suffix != ".iso"]
    below.remove(_figures_token(run))
    assert len(below) > 500
    needles = _needles(run.secrets)
    hidden = await asyncio.to_thread(lambda: [one for place in (*below, *logs) for one in _hidden(place, needles)])
    assert hidden == []


def test_a_seed_is_its_owner_s_alone(run: Run) -> None:
    assert run.seed_mode == 0o600


def test_the_token_of_the_figures_is_its_owner_s_alone(run: Run) -> None:
    file = _figures_token(run)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"{run.secrets['token of the figures']}\n"


def test_the_key_is_its_owner_s_alone(run: Run) -> None:
    key = run.product.base / "secrets" / "key"
    assert (stat.S_IMODE(key.stat().st_mode), stat.S_IMODE(key.parent.stat().st_mode)) == (0o600, 0o700)
    content = key.read_bytes()
    elsewhere = [place for place in run.product.base.rglob("*") if place.is_file() and place != key]
    copies = [place for place in elsewhere if place.suffix != ".iso" and content in place.read_bytes()]
    assert copies == []

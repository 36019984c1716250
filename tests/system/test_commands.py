"""The commands of the README and of docs/, run as they stand there with other places in place of theirs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from graphql import DefinitionNode, NonNullTypeNode, OperationDefinitionNode, OperationType, parse

from tests.support.documents import Block, Page, blocks, runs, shell
from tests.support.guest_iso import build_guest_iso
from tests.support.installer_iso import build_installer_iso
from tests.support.iso_layouts import ubuntu_iso
from tests.support.ports import free_port
from tests.support.product import EMAIL, PASSWORD, ROOT, Product
from tests.support.programs import node, running
from tests.support.wait import until_sync

ADDRESS = "http://127.0.0.1:4000"
BASE = "/opt/infinibay"


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    """A server whose guests get a second to power off: the steps of the README do not wait until they have booted.

    It comes back at the same address.
    """
    made = Product(build_guest_iso(), INFINIBAY_POWER_OFF_SECONDS="1", PORT=str(free_port()))
    try:
        await made.start()
        yield made
    finally:
        await made.close()


def run(product: Product, code: str, changes: dict[str, str] | None = None, folder: Path = ROOT) -> str:
    return shell(code, changes or {}, {**os.environ, **product.settings}, folder)


class _Reader:
    """Sends the README's requests as a person does who fills in what the answers before told."""

    def __init__(self, product: Product, function: str) -> None:
        self._product = product
        (self._ask,) = re.findall(r"^ask\(\) \{.*?^\}$", function, re.MULTILINE | re.DOTALL)
        self._known: dict[str, str] = {"TOKEN": "", "ID": ""}

    def send(self, code: str, changes: dict[str, str] | None = None) -> list[dict[str, Any]]:
        """The answers to a block's requests."""
        requests = re.sub(r"^(TOKEN|ID)=.*$", "", code, flags=re.MULTILINE).replace(self._ask, "")
        given = "\n".join(f"{name}={value}" for name, value in self._known.items())
        changed = {ADDRESS: self._product.url, **(changes or {})}
        rest = run(self._product, f"{given}\n{self._ask}\n{requests}", changed)
        answers: list[dict[str, Any]] = []
        while rest:
            answer, end = json.JSONDecoder().raw_decode(rest)
            answers.append(answer["data"])
            rest = rest[end:]
        return answers

    def learn(self, name: str, value: str) -> None:
        self._known[name] = value


@runs("sudo cp ubuntu-24.04", "login(email", "createMachine(input", "query ($id: String!)", "suspend(id: $id)")
async def test_the_first_machine_in_five_minutes(product: Product, page: Page, tmp_path: Path) -> None:
    medium = product.base / "iso" / "ubuntu.iso"
    others = medium.rename(tmp_path / "others.iso")
    shutil.copy(build_installer_iso("ubuntu"), tmp_path / "ubuntu-24.04-live-server-amd64.iso")
    run(product, page.read("sudo cp ubuntu-24.04"), {BASE: str(product.base)}, tmp_path)
    assert medium.is_file()

    login = page.read("login(email")
    reader = _Reader(product, login)
    (answer,) = reader.send(login, {"THE PASSWORD": PASSWORD})
    reader.learn("TOKEN", answer["login"]["token"])
    (created,) = reader.send(page.read("createMachine(input"))
    assert created["createMachine"]["status"] == "building"
    reader.learn("ID", created["createMachine"]["id"])
    look = page.read("query ($id: String!)")

    def is_made() -> bool:
        (answer,) = reader.send(look)
        made = answer["machine"]
        assert (made["failure"], made["installation"]["reason"]) == (None, None)
        return (made["status"], made["installation"]["state"]) == ("running", "installed")

    await asyncio.to_thread(until_sync, is_made, seconds=240, what="the installed system")
    verbs = await asyncio.to_thread(reader.send, page.read("suspend(id: $id)"))
    outcomes = {name: outcome for answer in verbs for name, outcome in answer.items()}
    assert list(outcomes) == ["suspend", "resumeMachine", "powerOff", "destroyMachine"]
    assert [outcome for outcome in outcomes.values() if outcome["success"] is not True] == []
    assert product.held() == {"domains": [], "volumes": [], "directories": []}
    others.replace(medium)


@runs("sudo scripts/start")
async def test_the_first_start(page: Page) -> None:
    """The whole way from the command to an orderly end by Ctrl-C."""
    started = _Started(page.read("sudo scripts/start"))
    try:
        await started.start()
        first = started.base / "first-admin"
        assert first.stat().st_mode & 0o777 == 0o600
        assert await started.login(EMAIL, first.read_text().split()[-1])
        assert await started.stop() == 0
    finally:
        await started.close()


class _Started(Product):
    """Started by a command of the README, with no password given beforehand."""

    def __init__(self, command: str) -> None:
        super().__init__(build_guest_iso(), DEFAULT_ADMIN_PASSWORD="")
        self._command = command.replace("sudo ", "exec ")

    def _launch(self, role: str, fault: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                ["bash", "-euc", self._command],
                cwd=ROOT,
                env={**os.environ, **self.settings},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )


@runs("scripts/infinibay doctor")
async def test_doctor_names_what_is_there(product: Product, page: Page) -> None:
    told = await asyncio.to_thread(run, product, page.read("scripts/infinibay doctor"))
    assert re.search(r"^ok +database: PostgreSQL 18\.", told, re.MULTILINE)
    assert f"ubuntu.iso in {product.base}/iso" in told
    assert "FAILED" not in told


@runs("iso add", "-F os=ubuntu", "Upload-Offset")
async def test_media_come_into_the_library(product: Product, page: Page, tmp_path: Path) -> None:
    """By hand, by a form and piece by piece, each with another content."""
    name = "ubuntu-24.04-live-server-amd64.iso"
    token = f"TOKEN={await product.login(EMAIL, PASSWORD)}\n"

    def medium(version: str) -> str:
        place = tmp_path / f"{version}.iso"
        return str(place if place.exists() else ubuntu_iso(place, version, extra=2_000_000))

    added = page.read("iso add")
    told = await asyncio.to_thread(run, product, added, {name: medium("20.04")})
    assert told.splitlines()[0] == "ubuntu-20.04-server-amd64.iso is in the library."
    assert re.search(r"^\* ubuntu.iso: ubuntu, 24.04, amd64", told, re.MULTILINE)
    assert re.search(r"^ok +ubuntu-20.04-server-amd64.iso$", told, re.MULTILINE)
    form = token + page.read("-F os=ubuntu")
    answer = await asyncio.to_thread(run, product, form, {name: medium("22.04.5"), ADDRESS: product.url})
    assert json.loads(answer)["fileName"] == "ubuntu-22.04.5-server-amd64.iso"
    pieces = token + page.read("Upload-Offset")
    answer = await asyncio.to_thread(run, product, pieces, {name: medium("24.10"), ADDRESS: product.url})
    assert "iso-filename: ubuntu-24.10-server-amd64.iso" in answer

    (product.base / "iso" / "ubuntu-24.10-server-amd64.iso").write_bytes(b"damaged")
    checked = _infinibay(product, "iso", "check")
    assert checked.returncode == 1
    assert "FAILED   ubuntu-24.10-server-amd64.iso: File is not an ISO" in checked.stdout
    chosen = _infinibay(product, "iso", "add", medium("22.04.5"), "--default")
    assert chosen.returncode == 0, chosen.stderr
    assert "* ubuntu-22.04.5-server-amd64.iso: ubuntu" in _infinibay(product, "iso", "list").stdout
    refused = _infinibay(product, "iso", "add", str(ROOT / "README.md"))
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (1, "file: File is not an ISO")
    # The media above only look like installers; the machines of the other tests start from this one.
    found = (await product.ask("{ allISOs { id filename } }"))["allISOs"]
    (bootable,) = (one["id"] for one in found if one["filename"] == "ubuntu.iso")
    await product.ask("mutation ($id: String!) { setDefaultISO(isoId: $id) { id } }", {"id": bootable})


@runs("virtio-win-0.1.271.iso")
async def test_the_drivers_of_windows_come_into_the_library(product: Product, page: Page, tmp_path: Path) -> None:
    folder = product.base / "iso"
    shutil.copy(folder / "ubuntu.iso", folder / "windows11.iso")
    before = _infinibay(product, "doctor").stdout
    (tmp_path / "virtio-win-0.1.271.iso").write_bytes(b"drivers")
    await asyncio.to_thread(run, product, page.read("virtio-win-0.1.271.iso"), {BASE: str(product.base)}, tmp_path)
    after = _infinibay(product, "doctor").stdout
    assert "warning  windows drivers: windows11.iso can't be installed without virtio-win.iso" in before
    assert f"ok       windows drivers: virtio-win.iso in {folder}" in after
    for name in ("windows11.iso", "virtio-win.iso"):
        (folder / name).unlink()


@runs("createDepartment")
async def test_a_request_that_is_sent_twice_has_one_effect(product: Product, page: Page) -> None:
    code = f"TOKEN={await product.login(EMAIL, PASSWORD)}\n{page.read('createDepartment')}"
    answers = [json.loads(await asyncio.to_thread(run, product, code, {ADDRESS: product.url})) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["data"]["createDepartment"]["name"] == "Laboratory"


@runs("graphql-ws")
async def test_the_example_of_a_stream_goes_on_after_a_restart(product: Product, page: Page) -> None:
    code = page.read("graphql-ws")
    for old, new in {
        ADDRESS.replace("http", "ws"): product.url.replace("http", "ws"),
        "for await (const { data } of events)": "for await (const { data } of told(events))",
    }.items():
        assert code.count(old) == 1
        code = code.replace(old, new)
    given = f"const token = {json.dumps(await product.login(EMAIL, PASSWORD))};"
    async with running(*node(), code=f"{given}\n{_TOLD}\n{code}") as example:
        made, first = [], asyncio.create_task(example.told())
        while not first.done():  # It sees nothing before it has subscribed.
            made.append(await _department(product))
            await asyncio.wait([first], timeout=0.1)
        assert await product.stop() == 0
        await _turned_away(int(product.settings["PORT"]))
        await product.start()
        made += [await _department(product) for _ in range(3)]
        told = [await first]
        while told[-1] != made[-1]:
            told.append(await example.told())
        assert told == made[made.index(told[0]) :]


_TOLD = """
async function* told(events) {
  for await (const result of events) {
    const { kind, data } = result.data.machineEvents;
    if (kind === "department.created") console.log(JSON.stringify(data.departmentId));
    yield result;
  }
}
"""


async def _turned_away(port: int) -> None:
    """Waits until somebody comes to the port, and hangs up."""
    came = asyncio.Event()

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        came.set()

    async with await asyncio.start_server(hang_up, "127.0.0.1", port):
        await asyncio.wait_for(came.wait(), 30)


async def _department(product: Product) -> str:
    """A new department's id."""
    made = await product.ask(f'mutation {{ createDepartment(name: "{uuid4()}") {{ id }} }}')
    return str(made["createDepartment"]["id"])


@runs("pg_basebackup", "vol-download", "database.before")
async def test_backup_and_restore(product: Product, page: Page, tmp_path: Path) -> None:
    """Taken while the server serves; afterwards everything is as it was then, and the copied key opens it."""
    created = await product.create("in the backup")
    assert (await product.ended(created["operation"]["id"]))["state"] == "SUCCEEDED"
    assert (await product.verb("forcePowerOff", created["id"]))["success"] is True
    (volume,) = [path.name for path in (product.base / "disks").iterdir()]
    places = {BASE: str(product.base), "/var/backups/infinibay": str(tmp_path / "backups")}
    backup = page.read("pg_basebackup")
    disk = {"INTERNAL-NAME": volume.removesuffix("-main.qcow2"), "--pool default": f"--pool {product.pool}"}
    await asyncio.to_thread(run, product, f"{backup}\n{page.read('vol-download')}", {**places, **disk})
    (copied,) = (tmp_path / "backups").glob("*")
    assert {path.name for path in copied.iterdir()} == {"database", "secrets", "host-id", volume}
    await asyncio.to_thread(run, product, f"qemu-img check {copied / volume}")
    await product.ask('mutation { createDepartment(name: "after the backup") { id } }')

    await product.stop()
    shutil.rmtree(product.base / "secrets")
    variables = "\n".join(line for line in backup.splitlines() if re.match(r"(base|backup)=", line))
    await asyncio.to_thread(run, product, f"{variables}\n{page.read('database.before')}", places)
    await product.start()

    names = {found["name"] for found in (await product.ask("{ departments { name } }"))["departments"]}
    assert "after the backup" not in names
    restored = await product.machine(created["id"])
    assert restored is not None
    assert restored["status"] == "stopped"
    assert (await product.verb("destroyMachine", created["id"]))["success"] is True


def answerable() -> list[Block]:
    """The documents with one query that needs nothing beforehand; the others are held against the schema alone."""

    def alone(definition: DefinitionNode) -> bool:
        return (
            isinstance(definition, OperationDefinitionNode)
            and definition.operation is OperationType.QUERY
            and not any(
                isinstance(variable.type, NonNullTypeNode) for variable in definition.variable_definitions or ()
            )
        )

    return [one for one in blocks("graphql") if [*map(alone, parse(one.code).definitions)] == [True]]


@pytest.mark.parametrize("one", answerable(), ids=str)
async def test_the_documents_are_answered(product: Product, one: Block) -> None:
    assert await product.ask(one.code)


async def test_plan_shows_and_writes_nothing(product: Product) -> None:
    done = _infinibay(product, "plan", "--name", "planned", "--os", "ubuntu", "--cores", "1", "--ram", "1")
    plan = json.loads(done.stdout)
    assert done.returncode == 0
    assert plan["valid"] is True
    assert plan["steps"] == ["media", "volume", "filters", "define", "start"]
    assert (await product.ask("{ machines { id } }"))["machines"] == []
    refused = _infinibay(product, "plan", "--name", "planned", "--os", "windows10")
    assert refused.returncode == 1
    assert [problem["field"] for problem in json.loads(refused.stdout)["problems"]][-1] == "os"


async def test_accounts_from_the_command_line(product: Product) -> None:
    password = "a long enough password"
    made = _infinibay(
        product,
        *("user", "create", "ann@example.com", "--first-name", "Ann", "--last-name", "Other"),
        answers=f"{password}\n{password}\n",
    )
    assert made.returncode == 0, made.stderr
    assert await product.login("ann@example.com", password)
    changed = _infinibay(product, "user", "password", EMAIL, answers=f"{PASSWORD}\n{PASSWORD}\n")
    assert changed.returncode == 0, changed.stderr
    assert (await product.post("{ machines { id } }"))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def _infinibay(product: Product, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scripts/infinibay", *arguments],
        cwd=ROOT,
        env={**os.environ, **product.settings},
        input=answers,
        capture_output=True,
        text=True,
        check=False,
    )

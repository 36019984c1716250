"""The commands of the README and of the operators' page, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.guest_iso import build_guest_iso
from tests.support.product import EMAIL, PASSWORD, ROOT, Product
from tests.support.wait import until_sync

_README = (ROOT / "README.md").read_text()
_OPERATORS = (ROOT / "docs" / "operators.md").read_text()


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    """A server whose guests get a second to power off: the steps of the README do not wait until they have booted."""
    made = Product(build_guest_iso(), INFINIBAY_POWER_OFF_SECONDS="1")
    try:
        await made.start()
        yield made
    finally:
        await made.close()


class _Reader:
    """Runs the README's shell blocks as a person types them who fills in what the answers before told."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[str, str] = {"TOKEN": "", "ID": ""}
        (self._ask,) = re.findall(r"^ask\(\) \{.*?^\}$", _blocks("ask()"), re.MULTILINE | re.DOTALL)

    def run(self, beginning: str) -> list[dict[str, Any]]:
        """The answers of the block in which the text stands."""
        block = re.sub(r"^(TOKEN|ID)=.*$", "", _blocks(beginning), flags=re.MULTILINE).replace(self._ask, "")
        given = "\n".join(f"{name}={value}" for name, value in self._known.items())
        script = f"{given}\n{self._ask}\n{block}".replace("http://127.0.0.1:4000", self._url)
        script = script.replace("THE PASSWORD", PASSWORD)
        done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
        answers: list[dict[str, Any]] = []
        rest = done.stdout
        while rest:
            answer, end = json.JSONDecoder().raw_decode(rest)
            answers.append(answer["data"])
            rest = rest[end:]
        return answers

    def learn(self, name: str, value: str) -> None:
        self._known[name] = value


def _blocks(text: str) -> str:
    """The one shell block of the README that holds the text, without its indentation."""
    blocks = re.findall(r"^( *)```sh\n(.*?)^ *```$", _README, re.MULTILINE | re.DOTALL)
    (found,) = [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in blocks if text in block]
    return found


async def test_the_first_machine_in_five_minutes(product: Product) -> None:
    reader = _Reader(product.url)
    (login,) = reader.run("login(email")
    reader.learn("TOKEN", login["login"]["token"])
    (created,) = reader.run("createMachine(input")
    assert created["createMachine"]["status"] == "building"
    reader.learn("ID", created["createMachine"]["id"])

    def status() -> str:
        (answer,) = reader.run("query ($id: String!)")
        assert answer["machine"]["failure"] is None
        return str(answer["machine"]["status"])

    until_sync(lambda: status() == "running", seconds=60, what="the machine running")
    verbs = reader.run("suspend(id: $id)")
    assert [(name, outcome["success"]) for answer in verbs for name, outcome in answer.items()] == [
        ("suspend", True),
        ("resumeMachine", True),
        ("powerOff", True),
        ("destroyMachine", True),
    ]
    assert product.held() == {"domains": [], "volumes": [], "directories": []}


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


async def test_doctor_names_every_requirement(product: Product) -> None:
    done = _infinibay(product, "doctor")
    names = re.findall(r"^(?:ok|warning|FAILED) +([a-z ]+):", done.stdout, re.MULTILINE)
    assert names == [
        "base directory",
        "database",
        "hypervisor",
        "kvm",
        "firmware",
        "tpm",
        "pool",
        "network",
        "iommu",
        "bridge filtering",
        "media",
    ]
    assert done.returncode == 0, done.stdout
    assert f"ubuntu.iso in {product.base}/iso" in done.stdout


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


def test_every_command_of_the_operators_page_exists() -> None:
    named = re.findall(r"^\| `scripts/infinibay ([a-z]+)(?: ([a-z]+))?", _OPERATORS, re.MULTILINE)
    assert [" ".join(filter(None, words)) for words in named] == [
        "serve",
        "doctor",
        "user create",
        "user password",
        "plan",
    ]
    for words in named:
        command = [str(ROOT / "scripts" / "infinibay"), *filter(None, words), "--help"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert Path(ROOT / "scripts" / "start").is_file()
